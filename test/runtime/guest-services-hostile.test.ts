/** A guest that sends what no client sends, or too much of it. */
import { readdirSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../helpers/agent/agent-node.ts';
import { newRandom, type Random } from '../helpers/fuzz.ts';
import type { FrameSocket } from '../helpers/pod/frames.ts';
import {
  broken,
  type Dhcp,
  malformed,
  mutated,
  type Request,
  requestOf,
  transactionOf,
} from '../helpers/pod/malformed-requests.ts';
import { countsOf, getsServed, type ServedPod, withServedPod } from '../helpers/pod/served-pod.ts';
import { ANSWERS, REQUESTS, requestsOf, type Service, serviceOf } from '../helpers/pod/service-frames.ts';
import { MAC } from '../helpers/pod/spoof-kinds.ts';
import { callInfo } from '../helpers/sidecar/hook-api.ts';
import type { Sidecar } from '../helpers/sidecar/sidecar.ts';
import { anonymousMemory } from '../helpers/sidecar/small-sidecar.ts';

const test = suite('a hostile guest');

/** Variation that garbage collection causes, in MiB. */
const SLACK = 5;
/** One for each reason, each minute. */
const MAX_LINES = 100;
/** Requests sent at a time. */
const VOLLEY = 500;

interface Scene {
  readonly pod: ServedPod;
  readonly sidecar: Sidecar;
  readonly guest: FrameSocket;
}

/** Afterwards, the guest and virt-launcher are served as before, and the log is short. */
const withScene = (act: (scene: Scene) => Promise<void>): Promise<void> =>
  withServedPod(async (pod) => {
    await pod.wire();
    const guest = await pod.open();
    await pod.withSidecar(async (sidecar, hooks) => {
      await getsServed(guest);
      await act({ pod, sidecar, guest });
      await getsServed(guest);
      await callInfo(`${hooks}/${readdirSync(hooks)[0]}`);
      assert.ok(sidecar.log().length <= MAX_LINES, `${sidecar.log().length} lines:\n${sidecar.output()}`);
    });
  });

/** Sends many, and returns the growth of memory during the last three quarters, in MiB. */
async function sendMany(
  { sidecar }: Scene,
  count: number,
  sendVolley: (size: number) => Promise<void>,
): Promise<number> {
  let early = 0;
  for (let sent = 0; sent < count; sent += VOLLEY) {
    if (sent === count / 4) early = anonymousMemory(sidecar);
    await sendVolley(VOLLEY);
  }
  return anonymousMemory(sidecar) - early;
}

let transaction = 1;
const isDhcp = (kind: Request): kind is Dhcp => kind !== 'router solicitation';
const answerTo = (kind: Request): Service => ANSWERS[REQUESTS.indexOf(kind)] ?? 'DHCPv4 answer';

/**
 * Waits until the sidecar has read all frames sent before: it answers a valid request behind them.
 *
 * @returns number of other requests that it has answered since the start
 */
async function readsAll({ guest, pod }: Scene, kind: Request, start: number): Promise<number> {
  const first = transaction;
  const answers = () => guest.received.slice(start).filter((frame) => serviceOf(frame) === answerTo(kind));
  if (!isDhcp(kind)) {
    const heard = async () => (await countsOf(pod.netns))['RA Solicitation'] ?? 0;
    const before = await heard();
    let sent = 0;
    const isHeard = async () => {
      guest.send(requestsOf(MAC)[2] ?? '');
      sent += 1;
      return (await heard()) > before;
    };
    await until('a solicitation is heard', isHeard);
    return Math.max(0, (await heard()) - before - sent);
  }
  let asked = Number.NEGATIVE_INFINITY;
  const isOurs = (frame: string) =>
    transactionOf(kind, frame) >= first && transactionOf(kind, frame) < transaction;
  await until(`a valid ${kind} is answered`, () => {
    if (performance.now() > asked + 1_000) {
      guest.send(requestOf(kind, MAC, transaction));
      transaction += 1;
      asked = performance.now();
    }
    return answers().some(isOurs);
  });
  return answers().filter((frame) => !isOurs(frame)).length;
}

/** Sends frames of a kind, and returns how many of them were answered. */
async function suffers(
  scene: Scene,
  kind: Request,
  frameOf: (random: Random, kind: Request, mac: string) => string,
  count: number,
): Promise<number> {
  const random = newRandom(2026);
  let answered = 0;
  const growth = await sendMany(scene, count, async (size) => {
    const start = scene.guest.received.length;
    for (let frame = 0; frame < size; frame++) scene.guest.send(frameOf(random, kind, MAC));
    answered += await readsAll(scene, kind, start);
  });
  const counts = JSON.stringify(await countsOf(scene.pod.netns));
  console.log(`\n@ ${count} × ${kind}: RssAnon +${growth.toFixed(1)} MiB, ${counts}`);
  assert.ok(growth <= SLACK, `memory grows by ${growth} MiB`);
  return answered;
}

for (const kind of REQUESTS as readonly Request[]) {
  test(`20,000 malformed packets instead of a ${kind} are not answered, and change nothing`, () =>
    withScene(async (scene) => {
      const solicitations = (await countsOf(scene.pod.netns))['RA Solicitation'] ?? 0;
      assert.is(await suffers(scene, kind, malformed, 20_000), 0);
      const counts = await countsOf(scene.pod.netns);
      const protocol = kind.split(' ')[0];
      if (isDhcp(kind)) assert.ok((counts[`${protocol} rejected`] ?? 0) >= 1_000, 'the sidecar has got them');
      else assert.ok((counts['RA Solicitation'] ?? 0) < solicitations + 1_000, 'few are valid');
    }));

  test(`a ${kind} with random changes, and broken frames of one, change nothing`, () =>
    withScene(async (scene) => {
      const either = (random: Random, ...rest: readonly [Request, string]) =>
        (random.oneIn(2) ? mutated : broken)(random, ...rest);
      await suffers(scene, kind, either, 10_000);
    }));

  test(`30,000 times a ${kind} change nothing`, () =>
    withScene(async (scene) => {
      await suffers(scene, kind, () => requestsOf(MAC)[REQUESTS.indexOf(kind)] ?? '', 30_000);
    }));
}

test.run();
