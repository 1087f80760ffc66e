/**
 * Loses each reply of the kernel to ADD and DEL of a macvtap in turn. ADD then succeeds or leaves
 * the pod, the lower device and /dev as they were; DEL ends, and the next DEL completes its work.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Kind, withLoss } from '../helpers/plugin/loss.ts';
import { type Before, onScene, run, type Scene } from '../helpers/plugin/macvtap-scene.ts';
import { STRACE } from '../helpers/plugin/strace.ts';
import { onlyBy, startOther, WAY } from '../helpers/plugin/way.ts';

const test = suite('a macvtap and replies that are lost');

type Command = 'ADD' | 'DEL';

const CASES = [
  ['ADD', 'nothing'],
  ['ADD', 'ADD and a lost device node'],
  ['DEL', 'ADD'],
  ['DEL', 'ADD that makes the device node'],
] as const satisfies readonly (readonly [Command, Before])[];

/** The kinds of loss. Cut replies are read by the same code in both programs. */
const KINDS: readonly Kind[] = WAY === 'agent' ? ['overrun', 'cut'] : ['overrun'];

/** Calls the command while a datagram is lost: the nth, or the nth of those that are `what`. */
type Act = (nth: number, kind: Kind, what?: string) => Promise<Lossy>;

interface Lossy {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly received: readonly string[];
}

const onLossyScene = (
  command: Command,
  before: Before,
  act: (scene: Scene, lossy: Act) => Promise<void>,
): Promise<void> =>
  withLoss((loss) =>
    onScene(before, async (scene) => {
      const { node, call, prepared } = scene;
      const { under, nodeFile } = node;
      const env = loss.env;
      loss.set(0, 'silence');
      const agent = WAY === 'agent' ? await startOther({ under, nodeFile, env }) : undefined;
      await act(scene, async (...which) => {
        await prepared();
        loss.set(...which);
        const { exitCode, stdout } = await run(
          node,
          command,
          call,
          agent === undefined ? { env } : { agent },
        );
        const received = loss.received();
        loss.set(0, 'silence');
        return { exitCode, stdout, received };
      });
      await agent?.stop();
    }),
  );

/** Calls the command without a loss, and returns the datagrams that arrive. */
async function withoutLoss({ restored }: Scene, lossy: Act): Promise<readonly string[]> {
  const { exitCode, stdout, received } = await lossy(0, 'silence');
  assert.is(exitCode, 0, `nothing is lost: ${stdout}`);
  assert.ok(received.includes('dump') && received.length > 5, received.join(', '));
  await restored('nothing was lost');
  return received;
}

const both = onlyBy(['agent', 'one-shot'], test); // The fallback runs the very same bundle.
for (const [command, before] of CASES) {
  both(`${command}, after ${before}, survives the loss of any datagram`, () =>
    onLossyScene(command, before, async (scene, lossy) => {
      const whole = await withoutLoss(scene, lossy);
      let refused = 0;
      for (const kind of KINDS) {
        for (const [index, what] of whole.entries()) {
          const why = `${command} after ${before}, ${kind} of datagram ${index + 1} (${what})`;
          const { exitCode, stdout } = await lossy(index + 1, kind);
          if (exitCode !== 0) {
            refused += 1;
            const { code, msg } = JSON.parse(stdout);
            assert.ok([11, 104].includes(code), `${why}: ${stdout}`);
            assert.match(msg, /^Cannot .*; try again$/, why);
            if (before === 'nothing') await scene.isAsBefore(why);
          }
          await (index % 2 === 0 ? scene.completed(why) : scene.restored(why));
        }
      }
      console.log(`\n@ ${command} after ${before}: ${whole.length} datagrams lost, ${refused} calls failed`);
    }),
  );
}

onlyBy(['one-shot', 'fallback'], test)('ADD and DEL that lose every reply fail, and change nothing', () =>
  onScene('nothing', async ({ node, call, isAsBefore, completed }) => {
    const tracer = [STRACE, '-f', '-o', '/dev/null', '-e', 'inject=recvfrom:error=ENOBUFS'];
    for (const command of ['ADD', 'DEL']) {
      const { exitCode, stdout } = await run(node, command, call, { tracer });
      assert.is(exitCode, 1, stdout);
      assert.match(stdout, /No buffer space available; try again"/);
      await isAsBefore(command);
    }
    await completed('afterwards');
  }),
);

for (const what of ['dump', 'answer']) {
  onlyBy(['agent'], test)(`ADD undoes everything if no ${what} arrives any more`, () =>
    onLossyScene('ADD', 'nothing', async (scene, lossy) => {
      const received = await withoutLoss(scene, lossy);
      const last = received.filter((one) => one === what).length;
      const { exitCode, stdout } = await lossy(what === 'dump' ? 1 : last, 'silence', what);
      assert.is(exitCode, 1, stdout);
      assert.match(stdout, /Timer expired.*; try again"/);
      await scene.isAsBefore(what);
      await scene.completed(what);
    }),
  );
}

both('DEL looks for the macvtap if the notification of its deletion never arrives', () =>
  onLossyScene('DEL', 'ADD', async (scene, lossy) => {
    await withoutLoss(scene, lossy);
    const { exitCode, stdout } = await lossy(1, 'silence', 'notification');
    assert.is(exitCode, 0, stdout);
    await scene.isAsBefore('the notification is lost');
  }),
);

test.run();
