/** `tapwire mktap`: creates a tap on a descriptor that the caller opened in another netns. */
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { INSTALLED } from '../helpers/plugin/shim.ts';
import { withNetns } from '../helpers/pod/netns.ts';

const test = suite('tapwire mktap');

const USAGE = 'usage: tapwire mktap FD IFNAME single-queue|multi-queue OWNER|-1 GROUP|-1';
/** Runs mktap with a descriptor of the file as descriptor 4. */
async function mktap(file: string, ...args: readonly string[]) {
  const script = `exec 4<>${file}; exec "$@"`;
  const { exitCode, all } = await execa('sh', ['-c', script, 'sh', INSTALLED, 'mktap', ...args], {
    env: { CNI_COMMAND: 'ADD' }, // has no effect here
    all: true,
    reject: false,
  });
  return { exitCode, said: all };
}

/**
 * Creates a tap on a descriptor that was opened in the netns, and runs a second command there while
 * the descriptor is open.
 */
async function mktapIn(name: string, args: string, then = 'true') {
  const inside = `exec 4<>/dev/net/tun; nsenter --net=/proc/self/fd/6 ${INSTALLED} mktap 4 ${args}; echo "status $?"; ${then}`;
  const outside = 'exec 6</proc/self/ns/net; exec ip netns exec "$0" sh -c "$1"';
  const { stdout, stderr } = await execa('sh', ['-c', outside, name, inside], { reject: false });
  const [status, ...lines] = stdout.split('\n');
  return { status, stderr, output: lines.join('\n') };
}

/** What ip(8) reports about a tap. */
function tapData(output: string): Readonly<Record<string, unknown>> {
  return JSON.parse(output)[0].linkinfo.info_data;
}

test('mktap creates the tap in the netns of the descriptor, for its owner and group; closing the descriptor deletes it', () =>
  withNetns(async ({ name, ip }) => {
    const show = 'ip -d -j link show dev tap0';
    const { status, stderr, output } = await mktapIn(name, 'tap0 single-queue 4242 4343', show);
    assert.equal([status, stderr], ['status 0', '']);
    const { type, pi, vnet_hdr, multi_queue, persist, user, group } = tapData(output);
    assert.equal([type, pi, vnet_hdr, multi_queue, persist], ['tap', false, true, false, false]);
    assert.equal([user, group], [4242, 4343]);
    assert.not.match(await ip('link show'), /tap0/);
  }));

test('mktap creates a tap with many queues and without an owner', () =>
  withNetns(async ({ name }) => {
    const ifname = 'tap16477688c0e'; // as long as KubeVirt's names
    const { status, output } = await mktapIn(
      name,
      `${ifname} multi-queue -1 -1`,
      `ip -d -j link show dev ${ifname}`,
    );
    const { multi_queue, persist, user, group } = tapData(output);
    assert.equal(
      [status, multi_queue, persist, user, group],
      ['status 0', true, false, undefined, undefined],
    );
  }));

test('mktap creates a tap with root as owner and group', () =>
  withNetns(async ({ name }) => {
    const { output } = await mktapIn(name, 'tap0 single-queue 0 0', 'ip -d -j link show dev tap0');
    const { user, group } = tapData(output);
    assert.equal([user, group], ['root', 'root']);
  }));

test('a name in use gives the errno as exit status and the request on stderr', () =>
  withNetns(async ({ name, ip }) => {
    await ip('tuntap add dev tap0 mode tap');
    await ip('link add eth0 type veth peer name eth1');
    for (const ifname of ['tap0', 'eth0']) {
      const { status, stderr } = await mktapIn(name, `${ifname} single-queue 107 107`);
      assert.equal([status, stderr], ['status 16', 'TUNSETIFF: Device or resource busy']);
    }
  }));

test('a descriptor that does not belong to /dev/net/tun is rejected', async () => {
  assert.equal(await mktap('/dev/null', '4', 'tap0', 'single-queue', '-1', '-1'), {
    exitCode: 25,
    said: 'TUNSETIFF: Inappropriate ioctl for device',
  });
  assert.equal(await mktap('/dev/null', '9', 'tap0', 'single-queue', '-1', '-1'), {
    exitCode: 9,
    said: 'TUNSETIFF: Bad file descriptor',
  });
});

for (const args of [
  '',
  '4',
  '4 tap0 single-queue 107',
  '4 tap0 single-queue 107 107 x',
  '-1 tap0 single-queue 107 107',
  'x tap0 single-queue 107 107',
  '04 tap0 single-queue 107 107',
  '4294967300 tap0 single-queue 107 107',
  '99999999999999999999999 tap0 single-queue 107 107',
  '4 tap%d single-queue 107 107',
  '4 tap/0 single-queue 107 107',
  '4 tap:0 single-queue 107 107',
  '4 .. single-queue 107 107',
  '4 abcdefghijklmnop single-queue 107 107',
  '4 tap0 multi_queue 107 107',
  '4 tap0 single-queue -2 107',
  '4 tap0 single-queue 107 4294967295',
  '4 tap0 single-queue 107 +1',
  '4 tap0 single-queue 1e3 107',
]) {
  test(`mktap parses arguments strictly: "${args}"`, async () => {
    assert.equal(await mktap('/dev/net/tun', ...args.split(' ')), { exitCode: 22, said: USAGE });
  });
}

test('an empty name is rejected', async () => {
  assert.equal(await mktap('/dev/net/tun', '4', '', 'single-queue', '-1', '-1'), {
    exitCode: 22,
    said: USAGE,
  });
});

test.run();
