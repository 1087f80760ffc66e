/**
 * Loses each reply of the kernel in turn. ADD then succeeds or leaves the netns as it was; DEL
 * ends, and the next DEL completes its work.
 */
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HANG } from '../helpers/hang.ts';
import { type Call, cni, environmentOf, netconf } from '../helpers/plugin/cni.ts';
import { type Kind, type Loss, withLoss } from '../helpers/plugin/loss.ts';
import { callFailing } from '../helpers/plugin/strace.ts';
import { type CommandLine, onlyBy, plugin, startOther } from '../helpers/plugin/way.ts';
import { dumpNetns, sameNetns, withPod } from '../helpers/pod/netns.ts';

const test = suite('replies that are lost');

/** Calls the plugin while `loss` takes effect on the kernel's replies. */
type Lossy = (command: string, call: Call) => Promise<{ readonly exitCode: number; readonly stdout: string }>;

/** Calls the plugin; fails if it does not end. */
async function run({ words, env }: CommandLine, call: Call): ReturnType<Lossy> {
  const [file, ...rest] = words;
  const input = JSON.stringify(netconf(call));
  const options = { input, env, extendEnv: false, reject: false, timeout: HANG, cwd: '/' } as const;
  const { exitCode, stdout, timedOut } = await execa(file, rest, options);
  assert.not.ok(timedOut, 'the plugin ends');
  return { exitCode: exitCode ?? -1, stdout };
}

/** Calls the plugin through an agent, and asserts that the agent exits with 0. */
async function withLossyAgent(loss: Loss, act: (lossy: Lossy) => Promise<void>): Promise<void> {
  loss.set(0, 'silence');
  const agent = await startOther({ env: loss.env });
  await act(async (command, call) => run(await plugin(environmentOf(command, call), agent), call));
  await agent.stop();
}

const withLossyBundle = (loss: Loss, act: (lossy: Lossy) => Promise<void>): Promise<void> =>
  act(async (command, call) => {
    const { words, env } = await plugin(environmentOf(command, call));
    return run({ words, env: { ...env, ...loss.env } }, call);
  });

async function succeeds(command: string, call: Call, why: string): Promise<void> {
  const { exitCode, stdout } = await cni(command, call);
  assert.is(exitCode, 0, `${why}: ${command} says ${stdout}`);
}

/** Loses each datagram of a command in turn. @param keys of the NAD */
const sweep = (
  command: 'ADD' | 'DEL',
  keys: Readonly<Record<string, unknown>>,
  kinds: readonly Kind[],
  loss: Loss,
  lossy: Lossy,
): Promise<void> =>
  withPod('eth0', async (pod) => {
    await pod.ip('route add default via fe80::1 dev eth0');
    const conf = { ...keys, prevResult: { cniVersion: '1.0.0' } };
    const call = { netns: pod.path, network: 'default', conf };
    const before = await dumpNetns(pod);
    const prepare = () => (command === 'DEL' ? succeeds('ADD', call, 'preparation') : undefined);
    await prepare();
    loss.set(0, 'silence');
    assert.is((await lossy(command, call)).exitCode, 0, 'nothing is lost');
    const whole = loss.received();
    assert.ok(whole.includes('dump') && whole.includes('answer'), whole.join(', '));
    await succeeds('DEL', call, 'nothing was lost');

    let refused = 0;
    for (const kind of kinds) {
      for (let nth = 1; nth <= whole.length; nth++) {
        const why = `${command}, ${kind} of datagram ${nth} (${whole[nth - 1]})`;
        await prepare();
        loss.set(nth, kind);
        const { exitCode, stdout } = await lossy(command, call);
        loss.set(0, 'silence');
        if (exitCode !== 0) {
          refused += 1;
          assert.match(stdout, /"code":(11|104),"msg":"[^"]*(\\"[^"]*)*; try again"/, why);
          if (command === 'ADD') sameNetns(await dumpNetns(pod), before, `${why}: ADD leaves nothing`);
        } else if (command === 'ADD') await succeeds('CHECK', call, why);
        await succeeds('DEL', call, why);
        sameNetns(await dumpNetns(pod), before, why);
      }
    }
    console.log(
      `\n@ ${command}: ${whole.length} datagrams lost by ${kinds.join(', ')}; ${refused} calls failed`,
    );
  });

const byAgent = onlyBy(['agent'], test);
const byBundle = onlyBy(['one-shot'], test); // The fallback runs the very same bundle.

const ALL = { guestAddresses: 'pod', spoofGuard: 'addresses' };
for (const command of ['ADD', 'DEL'] as const) {
  byAgent(`${command} through an agent survives the overrun or cut of any datagram`, () =>
    withLoss((loss) =>
      withLossyAgent(loss, async (lossy) => {
        await sweep(command, {}, ['cut'], loss, lossy);
        await sweep(command, ALL, ['overrun'], loss, lossy);
      }),
    ),
  );
  byBundle(`${command} of the bundle survives the overrun of any datagram`, () =>
    withLoss((loss) => withLossyBundle(loss, (lossy) => sweep(command, ALL, ['overrun'], loss, lossy))),
  );
}

test('ADD and DEL that lose every reply fail without changing anything, and succeed afterwards', () =>
  withPod('eth0', async (pod) => {
    const call = { netns: pod.path, network: 'default' };
    const input = JSON.stringify(netconf(call));
    const loss = ['-e', 'trace=recvfrom', '-e', 'inject=recvfrom:error=ENOBUFS'];
    for (const command of ['ADD', 'DEL']) {
      const before = await dumpNetns(pod);
      const { exitCode, json } = await callFailing(loss, environmentOf(command, call), input);
      assert.equal(
        [exitCode, json.code, json.msg],
        [
          1,
          11,
          'Cannot read the state of the netns: receive from netlink: No buffer space available; try again',
        ],
      );
      sameNetns(await dumpNetns(pod), before);
      await succeeds(command, call, 'afterwards');
    }
  }));

/**
 * Loses all replies on a socket from the first dump on, or from the last reply of another kind on.
 * This spares nftables, which sends the last dump and the first acknowledgement of an ADD: without
 * them, ADD only warns and continues.
 */
const silence = (command: 'ADD' | 'DEL', said: string, isDone: boolean) => (loss: Loss, lossy: Lossy) =>
  withPod('eth0', async (pod) => {
    const call = { netns: pod.path, network: 'default' };
    const before = await dumpNetns(pod);
    const prepare = () => (command === 'DEL' ? succeeds('ADD', call, 'preparation') : undefined);
    // An agent's first ADD tries classifiers that the kernel may lack, and so gets more replies.
    await lossy('ADD', call);
    await succeeds('DEL', call, 'the first attachment');
    await prepare();
    loss.set(0, 'silence');
    await lossy(command, call);
    const received = loss.received();
    // Counts those of this kind only: how many others arrive before differs from call to call.
    const count = received.filter((one) => one === said).length;
    assert.ok(count > 0, received.join(', '));
    await succeeds('DEL', call, 'nothing was lost');

    await prepare();
    loss.set(said === 'dump' ? 1 : count, 'silence', said);
    const { exitCode, stdout } = await lossy(command, call);
    loss.set(0, 'silence');
    assert.is(exitCode, isDone ? 0 : 1, stdout);
    if (!isDone) assert.match(stdout, /Timer expired.*; try again"/);
    if (isDone || command === 'ADD') sameNetns(await dumpNetns(pod), before);
    await succeeds('DEL', call, 'the next DEL');
    sameNetns(await dumpNetns(pod), before);
  });

const DELETION = silence('DEL', 'notification', true);
byBundle('DEL of the bundle checks for the tap if the notification of its deletion never arrives', () =>
  withLoss((loss) => withLossyBundle(loss, (lossy) => DELETION(loss, lossy))),
);
for (const [title, act] of [
  ['DEL through an agent checks for the tap if the notification of its deletion never arrives', DELETION],
  [
    'DEL through an agent stops waiting for an acknowledgement that never arrives',
    silence('DEL', 'answer', false),
  ],
  [
    'ADD through an agent undoes everything if an acknowledgement never arrives',
    silence('ADD', 'answer', false),
  ],
  ['ADD through an agent stops waiting for a dump that never ends', silence('ADD', 'dump', false)],
] as const) {
  byAgent(title, () => withLoss((loss) => withLossyAgent(loss, (lossy) => act(loss, lossy))));
}

test.run();
