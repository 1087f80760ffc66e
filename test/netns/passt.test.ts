/**
 * The sysctls of passt on a real netns: they change only there, and every failure restores them.
 */
import { closeSync, openSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findPasstDefects, planPasst } from '../../cni/bindings/passt.ts';
import { type Kernel, openKernel } from '../../cni/kernel/kernel.ts';
import { apply } from '../../cni/plan/apply.ts';
import type { Op, Run } from '../../cni/plan/op.ts';
import { BindingError } from '../../shared/errors.ts';
import { caught } from '../helpers/caught.ts';
import { passtSysctls, setPasstSysctls, type TestNetns, withNetns } from '../helpers/pod/netns.ts';
import { passtConf } from '../helpers/pod/seen.ts';

const test = suite('passt on a real netns');

const PINGS = 'net.ipv4.ping_group_range';
const PORTS = 'net.ipv4.ip_unprivileged_port_start';

async function withKernel<T>({ path }: TestNetns, act: (kernel: Kernel) => Promise<T>): Promise<T> {
  const fd = openSync(path, 'r');
  const kernel = openKernel(fd);
  try {
    return await act(kernel);
  } finally {
    await kernel.close();
    closeSync(fd);
  }
}

const planned = async (kernel: Kernel, group = 107) =>
  planPasst(passtConf({ group }), await kernel.readSysctls());

test('the kernel edge reads and writes the sysctls of the netns, not of the host netns', () =>
  withNetns((other) =>
    withNetns(async (netns) => {
      await setPasstSysctls(other, [80, 5, 6]);
      await setPasstSysctls(netns, [81, 7, 8]);
      await withKernel(netns, async (kernel) => {
        assert.equal(await kernel.readSysctls(), { [PORTS]: '81', [PINGS]: '7 8' });
        await apply(await planned(kernel), kernel.run);
        assert.equal(await kernel.readSysctls(), { [PORTS]: '0', [PINGS]: '7 107' });
      });
      assert.equal(await passtSysctls(netns), [0, 7, 107]);
      assert.equal(await passtSysctls(other), [80, 5, 6]);
    }),
  ));

/** Fails this op as the kernel does, which then runs no further op. */
const failingAt =
  (kernel: Kernel, broken: Op): Run =>
  async (levels, continueOnError) => {
    const [ops = []] = levels;
    const at = ops.indexOf(broken);
    if (at < 0) return kernel.run(levels, continueOnError);
    const outcomes = await kernel.run([ops.slice(0, at)], continueOnError);
    return [...outcomes, new BindingError('KERNEL_REFUSED', 'injected')];
  };

for (const before of [
  [1024, 1, 0],
  [80, 200, 300],
  [0, 1, 0],
]) {
  test(`the sysctls are as before if any step fails: ${before.join(' ')}`, () =>
    withNetns((netns) =>
      withKernel(netns, async (kernel) => {
        await setPasstSysctls(netns, before);
        const [steps = []] = await planned(kernel);
        assert.is(steps.length, before[0] === 0 ? 1 : 2);
        for (const [index, broken] of steps.entries()) {
          const error = await caught(() => apply([steps], failingAt(kernel, broken.do)));
          assert.equal([error.message, error.details], ['injected', undefined], `step ${index}`);
          assert.equal(await passtSysctls(netns), before, `after step ${index}`);
        }
        const abandoned = { aborted: false, reason: new BindingError('TRY_AGAIN', 'nobody waits') };
        const run: Run = async (...given) => {
          const outcomes = await kernel.run(...given);
          abandoned.aborted = true;
          return outcomes;
        };
        assert.is((await caught(() => apply([steps], run, abandoned))).message, 'nobody waits');
        assert.equal(await passtSysctls(netns), before, 'after a caller that went away');
      }),
    ));
}

test("an op that the kernel rejects has the kernel's message, makes the ops before it be undone, and is the last one to run", () =>
  withNetns((netns) =>
    withKernel(netns, async (kernel) => {
      const set = (sysctl: typeof PORTS | typeof PINGS, value: string) =>
        ({ op: 'setSysctl', sysctl, value }) as const;
      const steps = [
        { do: set(PINGS, '107 107'), undo: [set(PINGS, '1 0')] },
        { do: set(PORTS, '70000'), undo: [] },
        { do: set(PORTS, '80'), undo: [] },
      ];
      const error = await caught(() => apply([steps], kernel.run));
      assert.equal(
        [error.code, error.message],
        ['KERNEL_REFUSED', `Cannot set ${PORTS} to "70000": write: Invalid argument`],
      );
      assert.equal(await passtSysctls(netns), [1024, 1, 0]);
    }),
  ));

test('a range that was narrowed later is a defect, and a second ADD widens it again', () =>
  withNetns((netns) =>
    withKernel(netns, async (kernel) => {
      const add = async () => apply(await planned(kernel), kernel.run);
      const defects = async () => findPasstDefects(passtConf(), await kernel.readSysctls());
      await add();
      assert.equal(await defects(), []);
      assert.equal(await planned(kernel), [], 'a second ADD has nothing to do');
      await setPasstSysctls(netns, [1024, 1, 0]);
      assert.equal(await defects(), [
        `${PORTS} is "1024" instead of "0"`,
        `${PINGS} is "1 0" instead of "107 107"`,
      ]);
      await add();
      assert.equal(await passtSysctls(netns), [0, 107, 107]);
    }),
  ));

test.run();
