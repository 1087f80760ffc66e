/** `tapwire doctor` on nodes with things missing; docs/troubleshooting.md shows what it prints. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { NODE } from '../helpers/agent.ts';
import { onNode, type PARTS } from '../helpers/bare-node.ts';
import { assertShown, tapwire } from '../helpers/command-line.ts';
import { INSTALLER } from '../helpers/install.ts';

const test = suite('tapwire doctor');

const PAGE = 'docs/troubleshooting.md';

type Part = keyof typeof PARTS;
const ALL: readonly Part[] = ['tun', 'plugin', 'multus', 'agent'];
const but = (...missing: readonly Part[]): readonly Part[] => ALL.filter((part) => !missing.includes(part));

/** Kernels differ in their classifiers. */
const settled = (text: string): string =>
  text.replace(/by u32; this kernel has no matchall .*$/m, 'by matchall');

test('a complete node: all is ok, and the page shows it', async () => {
  const { exitCode, stdout, stderr } = await onNode(ALL, '', ['doctor']);
  assert.equal([exitCode, stderr], [0, '']);
  assertShown(PAGE, 'tapwire doctor', settled(stdout));
  assert.match(stdout, /^(ok {7}.*\n)+$/);
});

test('a node without anything: every line says what to do, and the page shows it', async () => {
  const { exitCode, stdout } = await onNode([], '', ['doctor']);
  assert.is(exitCode, 1);
  assertShown(PAGE, 'tapwire doctor   # on a node without anything', stdout);
});

test('--json: the same', async () => {
  const { exitCode, stdout } = await onNode(but('agent'), '', ['doctor', '--json']);
  assert.is(exitCode, 0);
  const what = JSON.parse(stdout).map((one: Record<string, unknown>) => `${one['severity']} ${one['what']}`);
  assert.equal(what, [
    'ok /dev/net/tun',
    'ok wiring',
    'ok /opt/cni/bin/tapwire',
    'ok /opt/cni/bin/.tapwire',
    'warning agent',
    'ok node file',
    'ok default network',
  ]);
});

const SHIM = '/opt/cni/bin/tapwire';
const INDEX = '/opt/cni/bin/.tapwire/index.js';
const NO_RUNTIME = 'rm -r /opt/cni/bin/.tapwire';

const CASES: readonly (readonly [string, readonly Part[], string, RegExp])[] = [
  ['no tun', but('tun', 'agent'), '', /^error {4}\/dev\/net\/tun: is missing; load the module/m],
  [
    'no tun',
    but('tun', 'agent'),
    '',
    /^error {4}wiring: Cannot wire pods on this node: Cannot add tap "pod0": .*this kernel needs CONFIG_TUN/m,
  ],
  ['a file for tun', but('tun', 'agent'), 'touch /dev/net/tun', /^error {4}\/dev\/net\/tun: is no device; /m],
  ['tun for root alone', ALL, 'chmod 0600 /dev/net/tun', /^warning {2}\/dev\/net\/tun: has mode 0600/m],
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
    /^error {4}\/opt\/cni\/bin\/tapwire: others than root may change/m,
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
    /^warning {2}\/opt\/cni\/bin\/tapwire: is another file than this command came with/m,
  ],
  [
    'no runtime but an agent',
    ALL,
    NO_RUNTIME,
    /^warning {2}\/opt\/cni\/bin\/.tapwire: the runtime is not there/m,
  ],
  [
    'no runtime, no agent',
    but('agent'),
    NO_RUNTIME,
    /^error {4}\/opt\/cni\/bin\/tapwire: Cannot do VERSION: there is no agent at/m,
  ],
  ['no runtime, no agent', but('agent'), NO_RUNTIME, /^error {4}agent: is not here, nor a runtime/m],
  [
    'no runtime wanted',
    but('plugin'),
    `${NODE} ${INSTALLER} --no-fallback`,
    /^ok {7}\/opt\/cni\/bin\/.tapwire: installed without the fallback runtime/m,
  ],
  [
    'half a runtime',
    ALL,
    `rm ${INDEX}`,
    /^error {4}\/opt\/cni\/bin\/.tapwire: it has no "index.js"; install it anew, by/m,
  ],
  [
    'a broken runtime',
    ALL,
    `rm ${INDEX}; echo 'throw 1' >${INDEX}`,
    /^error {4}\/opt\/cni\/bin\/.tapwire: Command failed/m,
  ],
  [
    'a runtime of others',
    ALL,
    `rm ${INDEX}; install -m 666 /dev/null ${INDEX}`,
    /^error {4}\/opt\/cni\/bin\/.tapwire: others than root may change "index.js"/m,
  ],
  [
    'a socket that nobody is behind',
    ALL,
    'kill -9 $agent; wait $agent || true; agent=',
    /^error {4}agent: does not answer at \/run\/tapwire\/agent.sock, and calls wait for it: .*ECONNREFUSED/m,
  ],
  [
    'an agent that hangs',
    ALL,
    'kill -STOP $agent',
    /^error {4}agent: does not answer at .*: it has said nothing for 5 s; see that the agent's pod runs/m,
  ],
  [
    'a node file that others may write',
    ALL,
    'install -m 666 /dev/null /etc/tapwire/node.json',
    /^error {4}node file: Cannot use node file "\/etc\/tapwire\/node.json": want a regular file/m,
  ],
  [
    'a node file',
    ALL,
    'echo "{}" >/etc/tapwire/node.json',
    /^ok {7}node file: \/etc\/tapwire\/node.json is valid$/m,
  ],
  ['no Multus', but('multus'), '', /^warning {2}default network: there is no Multus/m],
  [
    'Tapwire in the default network',
    ALL,
    `echo '{"plugins": [{"type": "bridge"}, {"type": "tapwire"}]}' >/etc/cni/net.d/10-net.conflist`,
    /^error {4}default network: \/etc\/cni\/net.d\/10-net.conflist has type "tapwire"/m,
  ],
  [
    'a file that is no JSON',
    ALL,
    'echo "{" >/etc/cni/net.d/10-net.conf',
    /^warning {2}default network: \/etc\/cni\/net.d\/10-net.conf is no JSON/m,
  ],
];
for (const [title, parts, change, line] of CASES) {
  test(`${title}: ${line.source.slice(0, 60)}`, async () => {
    const { exitCode, stdout, stderr } = await onNode(parts, change, ['doctor']);
    assert.match(stdout, line, stderr);
    assert.is(exitCode, /^error/m.test(stdout) ? 1 : 0);
  });
}

test('not as root: says so', async () => {
  const capabilities = ['--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search'];
  const { exitCode, stderr } = await tapwire(['doctor'], ['setpriv', '--reuid=65534', ...capabilities]);
  assert.equal([exitCode, stderr], [2, 'Cannot check this node: it takes root on it; run it with sudo\n']);
});

test.run();
