/**
 * What an agent receives that takes descriptors: exactly the right descriptors, with the first
 * byte, and exact bytes before and after.
 */
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Descriptor, withReceiver } from '../helpers/plugin/receiver.ts';
import { ARM64_SHIM, SHIM, shim, withDirectory } from '../helpers/plugin/shim.ts';
import { withNetns } from '../helpers/pod/netns.ts';

const test = suite('the descriptors of a request');

const CONF = '{"cniVersion":"1.0.0"}';
const CLONE_NEWNET = 0x40000000; // sched.h
const PROGRAMS = [
  ['x86-64', [SHIM]],
  ['arm64', ['qemu-aarch64-static', ARM64_SHIM]],
] as const;

const descriptorOf = (path: string, nsType: number): Descriptor => {
  const { dev, ino } = statSync(path);
  return [0, dev, ino, nsType];
};
const OWN = () => descriptorOf('/proc/self/ns/net', CLONE_NEWNET);

const words = (...numbers: number[]): Buffer => Buffer.from(new Uint32Array(numbers).buffer);

for (const [architecture, program] of PROGRAMS) {
  for (const command of ['ADD', 'DEL', 'CHECK']) {
    test(`the request of ${command} carries the client's netns and the pod's: ${architecture}`, () =>
      withNetns(({ path }) =>
        withReceiver('reply', async ({ socket, received }) => {
          const env = {
            CNI_NETNS: path,
            FOREIGN: 'x',
            CNI_IFNAME: 'net1',
            TRACEPARENT: 't',
            PATH: process.env['PATH'] ?? '',
          };
          const { stdout, stderr, exitCode } = await shim(command, { program, socket, input: CONF, env });
          assert.equal([exitCode, stdout, stderr], [0, '{}', '']);
          const { descriptors, bytes, request } = await received();
          assert.equal(descriptors, [OWN(), descriptorOf(path, CLONE_NEWNET)]);
          const variables = [
            `CNI_COMMAND=${command}`,
            `CNI_NETNS=${path}`,
            'CNI_IFNAME=net1',
            'TRACEPARENT=t',
          ];
          assert.equal([...request.environment].sort(), [...variables].sort()); // QEMU reverses the order.
          const block = request.environment.map((variable) => `${variable}\0`).join('');
          const want = Buffer.concat([words(block.length, CONF.length, 0, 0), Buffer.from(block + CONF)]);
          assert.is(bytes.toString('latin1'), want.toString('latin1'));
        }),
      ));
  }

  for (const command of ['VERSION', 'STATUS', 'GC']) {
    test(`the request of ${command} carries only the client's netns: ${architecture}`, () =>
      withNetns(({ path }) =>
        withReceiver('reply', async ({ socket, received }) => {
          const env = { CNI_NETNS: path, PATH: process.env['PATH'] ?? '' };
          await shim(command, { program, socket, input: CONF, env });
          const { descriptors, request } = await received();
          assert.equal([descriptors, request.netnsErrno], [[OWN()], 0]);
          assert.is(request.input.toString(), command === 'VERSION' ? '' : CONF);
        }),
      ));
  }
}

test('a netns that cannot be opened is replaced by its errno', () =>
  withDirectory(async (directory) => {
    const file = join(directory, 'file');
    writeFileSync(file, '');
    for (const [path, errno] of [
      ['', 0],
      [join(directory, 'none'), 2],
      [join(file, 'x'), 20],
      [`/${'x'.repeat(300)}`, 36],
    ] as const) {
      await withReceiver('reply', async ({ socket, received }) => {
        await shim('DEL', { socket, input: CONF, env: { CNI_NETNS: path } });
        const { descriptors, request } = await received();
        assert.equal([descriptors, request.netnsErrno], [[OWN()], errno], path);
      });
    }
  }));

test('a file that is not a netns is passed on unchanged', () =>
  withDirectory(async (directory) => {
    const file = join(directory, 'file');
    writeFileSync(file, '');
    await withReceiver('reply', async ({ socket, received }) => {
      await shim('ADD', { socket, input: CONF, env: { CNI_NETNS: file } });
      const { descriptors, request } = await received();
      assert.equal([descriptors, request.netnsErrno], [[OWN(), descriptorOf(file, -1)], 0]);
    });
  }));

test('stdin of the maximum size arrives whole', () =>
  withReceiver('reply', async ({ socket, received }) => {
    const input = Buffer.alloc(1024 * 1024, 'abcdefg');
    const [{ request, descriptors }] = await Promise.all([received(), shim('GC', { socket, input })]);
    assert.ok(request.input.equals(input));
    assert.equal(descriptors, [OWN()]);
  }));

test.run();
