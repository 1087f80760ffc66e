/**
 * Runs `tapwire doctor` on nodes that lack parts, and compares its output with
 * docs/troubleshooting.md.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { NODE } from '../helpers/agent/agent.ts';
import { onNode, type PARTS } from '../helpers/cluster/bare-node.ts';
import { assertShown, tapwire } from '../helpers/cluster/command-line.ts';
import { INSTALLER } from '../helpers/cluster/install.ts';

const test = suite('tapwire doctor');

const PAGE = 'docs/troubleshooting.md';

type Part = keyof typeof PARTS;
const ALL: readonly Part[] = ['tun', 'plugin', 'multus', 'agent'];
/** Parts for the checks of Multus, without the slow ones. */
const MULTUS: readonly Part[] = ['tun', 'multus'];
const but = (...missing: readonly Part[]): readonly Part[] => ALL.filter((part) => !missing.includes(part));

/** Replaces the classifiers, which depend on the kernel. */
const settled = (text: string): string =>
  text
    .replace(/by u32; this kernel has no matchall .*$/m, 'by matchall')
    .replace(/by u32 filters; this kernel has no classic BPF .*$/m, 'by a classic BPF program');

test('reports ok for a complete node, as the page shows', async () => {
  const { exitCode, stdout, stderr } = await onNode(ALL, '', ['doctor']);
  assert.equal([exitCode, stderr], [0, '']);
  assertShown(PAGE, 'tapwire doctor', settled(stdout));
  assert.match(stdout, /^(ok {7}.*\n)+$/);
});

test('says what to do on an empty node, as the page shows', async () => {
  const { exitCode, stdout } = await onNode([], '', ['doctor']);
  assert.is(exitCode, 1);
  assertShown(PAGE, 'tapwire doctor   # on a node without anything', stdout);
});

test('--json prints the same checks', async () => {
  const { exitCode, stdout } = await onNode(but('agent'), '', ['doctor', '--json']);
  assert.is(exitCode, 0);
  const what = JSON.parse(stdout).map((one: Record<string, unknown>) => `${one['severity']} ${one['what']}`);
  assert.equal(what, [
    'ok /dev/net/tun',
    'ok wiring',
    'ok silence',
    'ok guest services',
    'ok spoof guard',
    'ok /opt/cni/bin/tapwire',
    'ok /opt/cni/bin/.tapwire',
    'warning agent',
    'ok node policy file',
    'ok default network',
  ]);
});

const SHIM = '/opt/cni/bin/tapwire';
const INDEX = '/opt/cni/bin/.tapwire/index.js';
const NO_FALLBACK = 'rm -r /opt/cni/bin/.tapwire';
const BY_HAND = 'rm /opt/cni/bin/.tapwire; mv /opt/cni/bin/.tapwire-* /opt/cni/bin/.tapwire';
const NET_D = '/etc/cni/net.d';
const K3S = '/var/lib/rancher/k3s/agent/etc/cni/net.d';
const MICROK8S = '/var/snap/microk8s/current/args/cni-network';
const OPENSHIFT = '/etc/kubernetes/cni/net.d';
/** Shell command that moves Multus' file to another directory. */
const moveMultus = (path: string): string => `mkdir -p ${path}; mv ${NET_D}/00-multus.conf ${path}/`;
const OTHER = `'{"name": "n", "plugins": [{"type": "bridge"}]}'`;

const CASES: readonly (readonly [string, readonly Part[], string, RegExp])[] = [
  ['no tun', but('tun', 'agent'), '', /^error {4}\/dev\/net\/tun: is missing; load the module/m],
  [
    'no tun',
    but('tun', 'agent'),
    '',
    /^error {4}wiring: Cannot wire pods on this node: Cannot add tap "pod0": .*this kernel needs CONFIG_TUN/m,
  ],
  [
    'a file for tun',
    but('tun', 'agent'),
    'touch /dev/net/tun',
    /^error {4}\/dev\/net\/tun: is not a character device; /m,
  ],
  [
    'tun for root only',
    ALL,
    'chmod 0600 /dev/net/tun',
    /^ok {7}\/dev\/net\/tun: character device 10:200, can be opened$/m,
  ],
  [
    'another device',
    but('tun', 'agent'),
    'mknod /dev/net/tun c 1 3',
    /^error {4}\/dev\/net\/tun: is device 1:3, want 10:200; /m,
  ],
  [
    'no plugin',
    but('plugin', 'agent'),
    '',
    /^error {4}plugin: tapwire is not in \/opt\/cni\/bin; install it there/m,
  ],
  [
    'not executable',
    but('agent'),
    `chmod 0644 ${SHIM}`,
    /^error {4}\/opt\/cni\/bin\/tapwire: cannot be executed; chmod 0755/m,
  ],
  [
    'writable by others',
    but('agent'),
    `chmod 0777 ${SHIM}`,
    /^error {4}\/opt\/cni\/bin\/tapwire: users other than root can change/m,
  ],
  [
    'another program',
    but('agent', 'plugin'),
    `cp /bin/true ${SHIM}`,
    /^error {4}\/opt\/cni\/bin\/tapwire: is not Tapwire/m,
  ],
  [
    'another build',
    ALL,
    `echo >>${SHIM}`,
    /^warning {2}\/opt\/cni\/bin\/tapwire: is not the file that this command came with/m,
  ],
  [
    'another build, by the inventory',
    ALL,
    `echo >>${SHIM}`,
    /^warning {2}\/opt\/cni\/bin\/tapwire: is not the file that the installer wrote/m,
  ],
  [
    'no fallback but an agent',
    ALL,
    NO_FALLBACK,
    /^warning {2}\/opt\/cni\/bin\/.tapwire: the fallback is missing/m,
  ],
  [
    'no fallback, no agent',
    but('agent'),
    NO_FALLBACK,
    /^error {4}\/opt\/cni\/bin\/tapwire: Cannot run VERSION: there is no agent at/m,
  ],
  [
    'no fallback, no agent',
    but('agent'),
    NO_FALLBACK,
    /^error {4}agent: is not running, and there is no fallback/m,
  ],
  [
    'no fallback wanted',
    but('plugin'),
    `${NODE} ${INSTALLER} --no-fallback`,
    /^ok {7}\/opt\/cni\/bin\/.tapwire: installed without the fallback /m,
  ],
  [
    'half a fallback',
    ALL,
    `rm ${INDEX}`,
    /^error {4}\/opt\/cni\/bin\/.tapwire: lacks "index.js"; install it again, by/m,
  ],
  [
    'a changed fallback',
    ALL,
    `echo >>${INDEX}`,
    /^error {4}\/opt\/cni\/bin\/.tapwire: is not as installed: "index.js"; /m,
  ],
  [
    'a broken fallback',
    ALL,
    `echo 'throw 1' >${INDEX}`,
    /^error {4}\/opt\/cni\/bin\/.tapwire: Command failed/m,
  ],
  [
    'a library of the fallback that others can write to',
    ALL,
    'chmod 0666 /opt/cni/bin/.tapwire/lib/libc.so.6',
    /^error {4}\/opt\/cni\/bin\/.tapwire: users other than root can change "lib\/libc.so.6", which root runs; /m,
  ],
  [
    'more foreign files in the fallback than are counted',
    ALL,
    `cd /opt/cni/bin/.tapwire/; mkfifo pipe; cd lib; mkdir $(seq 3000); cd /`,
    /^warning {2}\/opt\/cni\/bin\/.tapwire: has files that the installer did not write: "[^"]+", .* and 9\d\d more; /m,
  ],
  [
    'a link in place of a file',
    ALL,
    `mv ${INDEX} /opt/index.js; ln -s /opt/index.js ${INDEX}`,
    /^error {4}\/opt\/cni\/bin\/.tapwire: is not as installed: "index.js"; /m,
  ],
  [
    'a fallback that was copied by hand',
    ALL,
    BY_HAND,
    /^warning {2}\/opt\/cni\/bin\/.tapwire: answers VERSION without an agent, but has no inventory/m,
  ],
  [
    'a broken fallback that was copied by hand',
    ALL,
    `${BY_HAND}; rm ${INDEX}`,
    /^error {4}\/opt\/cni\/bin\/.tapwire: it has no "index.js"; install it again/m,
  ],
  [
    'a broken inventory',
    ALL,
    'echo "{" >/opt/cni/bin/.tapwire/inventory.json',
    /^warning {2}\/opt\/cni\/bin\/.tapwire: answers VERSION without an agent, but has no inventory/m,
  ],
  [
    'a socket without an agent',
    ALL,
    'kill -9 $agent; wait $agent || true; agent=',
    /^error {4}agent: does not answer at \/run\/tapwire\/agent.sock, and calls wait for it: .*ECONNREFUSED/m,
  ],
  [
    'an agent that hangs',
    ALL,
    'kill -STOP $agent',
    /^error {4}agent: does not answer at .*: it sent no hello within 5 s; check that the agent's pod runs/m,
  ],
  [
    'a node policy file that other users can write to',
    ALL,
    'install -m 666 /dev/null /etc/tapwire/node.json',
    /^error {4}node policy file: Cannot use node file "\/etc\/tapwire\/node.json": want a regular file/m,
  ],
  [
    'a node policy file',
    ALL,
    'echo "{}" >/etc/tapwire/node.json',
    /^ok {7}node policy file: \/etc\/tapwire\/node.json is valid$/m,
  ],
  ['no Multus', ['tun'], '', /^warning {2}default network: there is no Multus/m],
  [
    'Tapwire in the default network',
    MULTUS,
    `echo '{"plugins": [{"type": "bridge"}, {"type": "tapwire"}]}' >/etc/cni/net.d/10-net.conflist`,
    /^error {4}default network: \/etc\/cni\/net.d\/10-net.conflist has type "tapwire"/m,
  ],
  [
    'a file that is not JSON',
    MULTUS,
    `echo "{" >${NET_D}/10-net.conf`,
    /^warning {2}default network: \/etc\/cni\/net.d\/10-net.conf cannot be used: it is not JSON/m,
  ],
  ...(
    [
      ['a file that is not JSON, before Multus', `echo "{" >${NET_D}/00-a.conf`],
      ['a dangling link before Multus', `ln -s nowhere ${NET_D}/00-a.conf`],
      ['a pipe before Multus', `mkfifo ${NET_D}/00-a.conf`],
      ['a link to a directory before Multus', `ln -s /etc ${NET_D}/00-a.conf`],
      ['a huge file before Multus', `truncate -s 1G ${NET_D}/00-a.conf`],
    ] as const
  ).map(
    ([title, change]) =>
      [
        title,
        MULTUS,
        change,
        /^warning {2}default network: .*00-a.conf cannot be used: .*containerd uses no file after/m,
      ] as const,
  ),
  [
    'a directory with the name of a file',
    MULTUS,
    `mkdir ${NET_D}/00-a.conf`,
    /^ok {7}default network: \/etc\/cni\/net.d\/00-multus.conf comes first and calls Multus$/m,
  ],
  [
    'another file before Multus',
    MULTUS,
    `echo ${OTHER} >${NET_D}/00-kube-ovn.conflist`,
    /^error {4}default network: \/etc\/cni\/net.d\/00-kube-ovn.conflist comes before Multus' 00-multus.conf/m,
  ],
  [
    'Multus by a link',
    MULTUS,
    `mv ${NET_D}/00-multus.conf /etc/multus; ln -s /etc/multus ${NET_D}/00-multus.conf`,
    /^ok {7}default network: \/etc\/cni\/net.d\/00-multus.conf comes first/m,
  ],
  [
    'Cilium has renamed Multus',
    MULTUS,
    `mv ${NET_D}/00-multus.conf ${NET_D}/00-multus.conf.cilium_bak; echo ${OTHER} >${NET_D}/05-cilium.conflist`,
    /^error {4}default network: Cilium has renamed Multus' 00-multus.conf to .*; set cni.exclusive to false/m,
  ],
  [
    'Cilium has renamed a list with Multus',
    MULTUS,
    `echo '{"name": "m", "plugins": [{"type": "multus-shim"}]}' >${NET_D}/00-m.conflist.cilium_bak; rm ${NET_D}/00-multus.conf`,
    /^error {4}default network: Cilium has renamed Multus' 00-m.conflist to /m,
  ],
  ...[K3S, MICROK8S, OPENSHIFT].map(
    (path) =>
      [
        `Multus in ${path}`,
        MULTUS,
        moveMultus(path),
        new RegExp(`^ok {7}default network: ${path}/00-multus.conf comes first and calls Multus$`, 'm'),
      ] as const,
  ),
  [
    'Multus where k3s does not read it',
    MULTUS,
    `mkdir -p ${K3S}; echo ${OTHER} >${K3S}/10-flannel.conflist`,
    /^error {4}default network: Multus' configuration is in \/etc\/cni\/net.d, but k3s reads \/var\/lib\/rancher\/.*; /m,
  ],
  [
    "k3s' directory as a link to the usual one",
    MULTUS,
    `mkdir -p ${K3S}; rmdir ${K3S}; ln -s ${NET_D} ${K3S}`,
    new RegExp(`^ok {7}default network: ${K3S}/00-multus.conf comes first and calls Multus$`, 'm'),
  ],
  [
    'the plugin where k3s does not search',
    ALL,
    `mkdir -p /var/lib/rancher/k3s/data/cni; ${moveMultus(K3S)}`,
    /^warning {2}plugin: tapwire is in \/opt\/cni\/bin, but k3s searches \/var\/lib\/rancher\/k3s\/data\/cni; /m,
  ],
  [
    'no directory at all',
    but('multus'),
    'rm -r /etc/cni',
    /^warning {2}default network: no directory of CNI/m,
  ],
];
for (const [title, parts, change, line] of CASES) {
  test(`doctor reports ${title}: ${line.source.slice(0, 60)}`, async () => {
    const { exitCode, stdout, stderr } = await onNode(parts, change, ['doctor']);
    assert.match(stdout, line, stderr);
    assert.is(exitCode, /^error/m.test(stdout) ? 1 : 0);
  });
}

test('rejects users other than root', async () => {
  const capabilities = ['--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search'];
  const { exitCode, stderr } = await tapwire(['doctor'], ['setpriv', '--reuid=65534', ...capabilities]);
  assert.equal([exitCode, stderr], [2, 'Cannot check this node: only root can do it; run it with sudo\n']);
});

test.run();
