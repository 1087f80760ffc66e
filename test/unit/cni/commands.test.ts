import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { serve } from '../../../cni/commands.ts';
import { DEFAULT_POLICY } from '../../../cni/policy/node-policy.ts';
import { parseRequest } from '../../../cni/request/request.ts';
import { ifindexWithoutDevice } from '../../../shared/kubelet/device-id.ts';
import { KEY, VM_LAN } from '../../helpers/pod/seen.ts';

const test = suite('DEL of a macvtap whose netns no longer exists');

const unused = (): never => {
  throw new Error('DEL does not need this without a netns');
};

async function inDirectory(act: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'tw-dev-'));
  try {
    await act(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Calls DEL for pod1 and net1 on a node whose device nodes are in this directory. */
function del(deviceDirectory: string, conf: Readonly<Record<string, unknown>>, netns = '') {
  const { containerId, ifname } = KEY;
  const env = { CNI_COMMAND: 'DEL', CNI_CONTAINERID: containerId, CNI_IFNAME: ifname, CNI_NETNS: netns };
  const request = parseRequest(env, () => Buffer.from(JSON.stringify({ binding: 'macvtap', ...conf })));
  const context = {
    ...{ openNetns: () => null, openKernel: unused, lockTimeout: 0, deviceDirectory },
    ...{ readNodePolicy: () => DEFAULT_POLICY, devicesOf: unused },
  };
  return serve(request, context, unused);
}

const ID = `vm-lan-${VM_LAN}`;
const WITHOUT_DEVICE = ifindexWithoutDevice(KEY.containerId, KEY.ifname);

for (const [why, conf, ifindex, netns] of [
  ['of a device', { deviceID: ID }, VM_LAN, ''],
  ['of a device, of a netns that is gone', { deviceID: ID }, VM_LAN, '/run/netns/gone'],
  ['without a device', { master: 'uplink0' }, WITHOUT_DEVICE, ''],
] as const) {
  test(`deletes the device node that ADD had to make ${why}, and no other`, () =>
    inDirectory(async (directory) => {
      const own = join(directory, `tap${ifindex}`);
      const other = join(directory, `tap${ifindex + 1}`);
      for (const path of [own, other]) writeFileSync(path, 'x');
      assert.is(await del(directory, conf, netns), null);
      assert.equal([existsSync(own), existsSync(other)], [false, true]);
      assert.is(await del(directory, conf, netns), null);
    }));
}

test('deletes a symlink in its place, not the file behind it', () =>
  inDirectory(async (directory) => {
    const target = join(directory, 'target');
    writeFileSync(target, 'x');
    symlinkSync(target, join(directory, `tap${VM_LAN}`));
    assert.is(await del(directory, { deviceID: ID }), null);
    assert.not(existsSync(join(directory, `tap${VM_LAN}`)));
    assert.is(readFileSync(target, 'utf8'), 'x');
  }));

for (const conf of [
  { deviceID: '../target' },
  { deviceID: 'vm-lan-0000000007' },
  { deviceID: `other-${VM_LAN}` },
  { deviceID: 7 },
  { binding: 'tap', deviceID: ID },
]) {
  test(`touches nothing for ${JSON.stringify(conf)}`, () =>
    inDirectory(async (directory) => {
      const paths = ['tap7', `tap${VM_LAN}`, 'target'].map((name) => join(directory, name));
      for (const path of paths) writeFileSync(path, 'x');
      assert.is(await del(directory, conf), null);
      assert.ok(paths.every((path) => existsSync(path)));
    }));
}

test('leaves a directory with files in the place of a device node', () =>
  inDirectory(async (directory) => {
    const file = join(directory, `tap${VM_LAN}`, 'file');
    mkdirSync(dirname(file));
    writeFileSync(file, '');
    assert.is(await del(directory, { deviceID: ID }), null);
    assert.ok(existsSync(file));
  }));

test('succeeds on a node without a directory of device nodes', async () =>
  assert.is(await del('/nonexistent/dev', { deviceID: ID }), null));

test.run();
