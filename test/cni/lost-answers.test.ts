/**
 * The kernel's answers are lost, one after the other, whichever it is: ADD succeeds or leaves the netns as it was, DEL ends, and the next one
 * completes it. Nobody in a pod may make the plugin wait for ever, and whoever floods its sockets can lose any answer.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Call, cni, environmentOf, netconf } from '../helpers/cni.ts';
import { HANG } from '../helpers/hang.ts';
import { dumpNetns, sameNetns, withPod } from '../helpers/netns.ts';
import { callFailing } from '../helpers/strace.ts';
import { type CommandLine, onlyBy, plugin, startOther } from '../helpers/way.ts';

const test = suite('answers that are lost');

type Kind = 'overrun' | 'cut' | 'silence';

/** Loses what the kernel says to a program that has its environment. */
interface Loss {
  readonly env: Readonly<Record<string, string>>;
  /** From now on the nth datagram; 0: none. */
  set(nth: number, kind: Kind): void;
  /** What came since it was set. */
  received(): readonly string[];
}

async function withLoss(act: (loss: Loss) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tapwire-loss-'));
  const [library, at, received] = ['loss.so', 'at', 'received'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  try {
    const flags = ['-O2', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC'];
    await execa('gcc', [...flags, '-o', library, join(import.meta.dirname, 'loss.c')]);
    await act({
      env: { LD_PRELOAD: library, TAPWIRE_LOSS: folder },
      set(nth, kind) {
        rmSync(received, { force: true });
        writeFileSync(at, `${nth} ${kind}\n`);
      },
      received: () => (existsSync(received) ? readFileSync(received, 'utf8').trim().split('\n') : []),
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Calls the plugin, whose answers from the kernel are lost as `loss` says. */
type Lossy = (command: string, call: Call) => Promise<{ readonly exitCode: number; readonly stdout: string }>;

/** Fails if the plugin does not end. */
async function run({ words, env }: CommandLine, call: Call): ReturnType<Lossy> {
  const [file, ...rest] = words;
  const input = JSON.stringify(netconf(call));
  const options = { input, env, extendEnv: false, reject: false, timeout: HANG, cwd: '/' } as const;
  const { exitCode, stdout, timedOut } = await execa(file, rest, options);
  assert.not.ok(timedOut, 'the plugin ends');
  return { exitCode: exitCode ?? -1, stdout };
}

/** Through an agent, which ends well. */
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

/** Loses each datagram of a command in turn. */
const sweep = (command: 'ADD' | 'DEL', kinds: readonly Kind[], loss: Loss, lossy: Lossy): Promise<void> =>
  withPod('eth0', async (pod) => {
    const call = { netns: pod.path, network: 'default', conf: { prevResult: { cniVersion: '1.0.0' } } };
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
      `\n@ ${command}: ${whole.length} datagrams lost by ${kinds.join(', ')}; ${refused} calls refused`,
    );
  });

const byAgent = onlyBy(['agent'], test);
const byBundle = onlyBy(['one-shot'], test); // the fallback runs the very same bundle

for (const command of ['ADD', 'DEL'] as const) {
  byAgent(`${command}: each datagram that the agent receives is overrun, or cut off`, () =>
    withLoss((loss) => withLossyAgent(loss, (lossy) => sweep(command, ['overrun', 'cut'], loss, lossy))),
  );
  byBundle(`${command}: each datagram that the bundle receives is overrun`, () =>
    withLoss((loss) => withLossyBundle(loss, (lossy) => sweep(command, ['overrun'], loss, lossy))),
  );
}

test('every answer is lost: ADD and DEL end with an error, change nothing, and succeed afterwards', () =>
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
 * A socket falls silent when it is to send its first dump, or else the last of what is named. ADD goes on without silence if nftables
 * does not answer, and nftables sends ADD's last dump and its first acknowledgement.
 */
const silence = (command: 'ADD' | 'DEL', said: string, isDone: boolean) => (loss: Loss, lossy: Lossy) =>
  withPod('eth0', async (pod) => {
    const call = { netns: pod.path, network: 'default' };
    const before = await dumpNetns(pod);
    const prepare = () => (command === 'DEL' ? succeeds('ADD', call, 'preparation') : undefined);
    // An agent's first ADD tries classifiers that the kernel may lack, and so gets more answers.
    await lossy('ADD', call);
    await succeeds('DEL', call, 'the first attachment');
    await prepare();
    loss.set(0, 'silence');
    await lossy(command, call);
    const received = loss.received();
    const nth = (said === 'dump' ? received.indexOf(said) : received.lastIndexOf(said)) + 1;
    assert.ok(nth > 0, loss.received().join(', '));
    await succeeds('DEL', call, 'nothing was lost');

    await prepare();
    loss.set(nth, 'silence');
    const { exitCode, stdout } = await lossy(command, call);
    loss.set(0, 'silence');
    assert.is(exitCode, isDone ? 0 : 1, stdout);
    if (!isDone) assert.match(stdout, /Timer expired.*; try again"/);
    if (isDone || command === 'ADD') sameNetns(await dumpNetns(pod), before);
    await succeeds('DEL', call, 'the next DEL');
    sameNetns(await dumpNetns(pod), before);
  });

const DELETION = silence('DEL', 'notification', true);
byBundle('DEL: the word that the tap is gone never comes, so the bundle looks', () =>
  withLoss((loss) => withLossyBundle(loss, (lossy) => DELETION(loss, lossy))),
);
for (const [title, act] of [
  ['DEL: the word that the tap is gone never comes, so the agent looks', DELETION],
  ['DEL: an acknowledgement never comes, and the agent ends the wait', silence('DEL', 'answer', false)],
  ['ADD: an acknowledgement never comes, and the agent undoes all', silence('ADD', 'answer', false)],
  ['ADD: a dump never ends, and the agent ends the wait', silence('ADD', 'dump', false)],
] as const) {
  byAgent(title, () => withLoss((loss) => withLossyAgent(loss, (lossy) => act(loss, lossy))));
}

test.run();
