/** Node policy files: what they allow, and that a file which cannot be trusted allows nothing. */
import { chmodSync, chownSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readNodePolicy } from '../../cni/policy/node-file.ts';
import { DEFAULT_POLICY } from '../../cni/policy/node-policy.ts';
import { caught } from '../helpers/caught.ts';
import { cni } from '../helpers/plugin/cni.ts';
import { inOneWay } from '../helpers/plugin/way.ts';
import { dumpNetns, sameNetns, withPod } from '../helpers/pod/netns.ts';

const everyWay = suite('the node policy file');
const test = inOneWay(everyWay);

async function withDirectory(act: (path: string) => unknown): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'tapwire-node-'));
  try {
    await act(join(directory, 'node.json'));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('ADD needs no node policy file', () =>
  withDirectory((path) => assert.equal(readNodePolicy(path), DEFAULT_POLICY)));

test('ADD reads the node policy file', () =>
  withDirectory((path) => {
    writeFileSync(path, '{"tap": {"namespaces": ["vms"]}}');
    assert.equal(readNodePolicy(path), {
      ...DEFAULT_POLICY,
      tap: { namespaces: ['vms'], defaultNetwork: false },
    });
  }));

const UNTRUSTED = "want a regular file of root's, writable by nobody else, of at most 65536 bytes";
for (const [why, make, reason] of [
  ['that another user owns', (path: string) => chownSync(path, 107, 0), UNTRUSTED],
  ['that a group can write to', (path: string) => chmodSync(path, 0o664), UNTRUSTED],
  ['that everyone can write to', (path: string) => chmodSync(path, 0o646), UNTRUSTED],
  ['of 64 KiB plus a byte', (path: string) => writeFileSync(path, ' '.repeat(65537)), UNTRUSTED],
  ['that is a FIFO', (path: string) => execa('sh', ['-c', `rm ${path} && mkfifo -m 600 ${path}`]), UNTRUSTED],
  ['that is a directory', (path: string) => execa('sh', ['-c', `rm ${path} && mkdir ${path}`]), UNTRUSTED],
  [
    'with a typo',
    (path: string) => writeFileSync(path, '{"tpa": {}}'),
    'Cannot read $: want only the keys tap, macvtap, passt, got "tpa"',
  ],
  ['that is not JSON', (path: string) => writeFileSync(path, '{'), /^Cannot parse the file: /],
  [
    'that is a symlink',
    (path: string) => {
      rmSync(path);
      symlinkSync('/etc/passwd', path);
    },
    /^ELOOP/,
  ],
] as const) {
  test(`a node policy file ${why} allows nothing`, () =>
    withDirectory(async (path) => {
      writeFileSync(path, '{}');
      await make(path);
      const error = await caught(() => readNodePolicy(path));
      assert.is(error.code, 'NOT_ALLOWED');
      const [start, rest = ''] = error.message.split(/(?<=json"): /);
      assert.is(start, `Cannot use node file "${path}"`);
      if (typeof reason === 'string') assert.is(rest, reason);
      else assert.match(rest, reason);
    }));
}

everyWay('the node policy file decides whose pods ADD may wire; CHECK and DEL do not read it', () =>
  withPod('eth0', async (netns) => {
    const call = { netns: netns.path, network: 'default', conf: { prevResult: { cniVersion: '1.0.0' } } };
    const before = await dumpNetns(netns);
    const refused = await cni('ADD', { ...call, nodeFile: { tap: { namespaces: ['other'] } } });
    assert.equal(
      [refused.json.code, refused.json.msg],
      [
        107,
        'Cannot wire pods of namespace "vms": $.tap.namespaces of /etc/tapwire/node.json on this node does not list it',
      ],
    );
    sameNetns(await dumpNetns(netns), before);
    assert.is((await cni('ADD', { ...call, nodeFile: { tap: { namespaces: ['vms'] } } })).exitCode, 0);
    for (const command of ['CHECK', 'DEL']) {
      assert.is((await cni(command, { ...call, nodeFile: 'broken' })).exitCode, 0, command);
    }
    sameNetns(await dumpNetns(netns), before);
  }),
);

everyWay("ADD wires a pod's eth0 as a network only if the node policy file allows it", () =>
  withPod('eth0', async (netns) => {
    const call = { netns: netns.path, ifname: 'eth0' };
    assert.is((await cni('ADD', call)).json.code, 107);
    const { json } = await cni('ADD', { ...call, nodeFile: { tap: { defaultNetwork: true } } });
    assert.is(json.interfaces[0].name, 'eth0');
    assert.match(await netns.ip('link show'), / tap0:/);
    assert.equal((await cni('CHECK', { ...call, conf: { prevResult: json } })).exitCode, 0);
    assert.is((await cni('DEL', call)).exitCode, 0);
  }),
);

everyWay('the caller cannot choose another path for the node policy file', () =>
  withPod('eth0', async (netns) => {
    const env = { TAPWIRE_NODE_FILE: '/nonexistent/../etc/shadow' };
    assert.is((await cni('ADD', { netns: netns.path, network: 'default', env })).exitCode, 0);
  }),
);

everyWay.run();
