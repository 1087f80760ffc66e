/** QEMU's network boot ROM on the tap of a pod that serves it: what firmware makes of a lease. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../helpers/agent/agent-node.ts';
import { cni } from '../helpers/plugin/cni.ts';
import type { TestNetns } from '../helpers/pod/netns.ts';
import { BOTH, CALICO, FAR, HOST_LOCAL, POD_MAC, withNetwork } from '../helpers/pod/served-network.ts';
import { withServe } from '../helpers/pod/serving.ts';

const test = suite("QEMU's iPXE ROM");

/** Starts a machine without disks, whose BIOS and ROM write to the serial console. */
async function withMachine({ path }: TestNetns, act: (screen: () => string) => Promise<void>): Promise<void> {
  const nic = ['-netdev', 'tap,id=n,ifname=tap0,script=no,downscript=no,vhost=off'];
  const device = ['-device', `virtio-net-pci,netdev=n,mac=${POD_MAC},bootindex=1`];
  const machine = ['-machine', 'pc,accel=tcg,graphics=off', '-m', '64', '-nodefaults', '-display', 'none'];
  const words = ['qemu-system-x86_64', ...machine, ...nic, ...device, '-serial', 'stdio'];
  const qemu = spawn('nsenter', [`--net=${path}`, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(qemu, 'close');
  let output = '';
  qemu.stdout.on('data', (data) => {
    output += data;
  });
  try {
    // Without the sequences that move the cursor.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what a terminal gets
    await act(() => output.replace(/\x1b\[[\d;]*[A-Za-z]/g, ''));
  } finally {
    qemu.kill('SIGKILL');
    await ended;
  }
}

for (const { network, mask } of [
  { network: CALICO, mask: '255.255.255.255' },
  { network: HOST_LOCAL, mask: '255.255.255.0' },
]) {
  test(`${network.plugin}: takes the address and the gateway of the pod, and asks the boot server of the VMI`, () =>
    withNetwork(network, BOTH, async (networked) => {
      const add = { netns: networked.pod.path, network: 'default', conf: { guestAddresses: 'pod' } };
      assert.is((await cni('ADD', add)).exitCode, 0);
      const dhcpOptions = { tftpServerName: FAR[4], bootFileName: 'boot.ipxe' };
      await withServe(
        networked,
        (serve) =>
          serve(() =>
            withMachine(networked.pod, async (screen) => {
              await until('iPXE asks for its file', () => screen().includes('boot.ipxe...'));
              const { address, gateway } = network.ipv4;
              assert.match(screen(), `net0: ${address}/${mask} gw ${gateway}`);
              assert.match(screen(), `Next server: ${FAR[4]}`);
              assert.match(screen(), `tftp://${FAR[4]}/boot.ipxe`);
            }),
          ),
        { dhcpOptions },
      );
    }));
}

test.run();
