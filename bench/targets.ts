import { AGENT, BRIDGE, type Burst, ofPeer, type Results } from './results.ts';
import type { Spread } from './statistics.ts';
import { table } from './table.ts';

/** A target of Tapwire, the result of the run, and whether it meets the target. */
export interface Verdict {
  readonly target: string;
  readonly found: string;
  readonly isMet: boolean;
}

/** Maximum time of a call, as a share of the time of Go's bridge. */
const SHARE = 0.3;
const EMPTY_ROUND_TRIPS = 4;
const CALLED_KIB = 1024;
const AGENT_MIB = 80;
const MANY = 200;
const GROWTH = 1.25;
/**
 * Maximum ratio to the start of an empty Node.js, share of the start, ratio to a call that does
 * nothing, and MiB.
 */
const HOOKS = { start: 5, firstReply: 0.1, define: 5, memory: 32 };

/** Judges every target that this run has measured. Pure. */
export const judge = (results: Results): readonly Verdict[] =>
  [judgeCalls, judgeFloor, judgeBursts, judgeGrowth, judgeLimits, judgeHooks].flatMap((part) =>
    part(results),
  );

function judgeCalls({ calls }: Results): readonly Verdict[] {
  const [ours, bridge] = [ofPeer(calls, AGENT), ofPeer(calls, BRIDGE)];
  if (ours === undefined || bridge === undefined) return [];
  const { tried, done } = ours.addBehindDel;
  const memory = Math.max(ours.add.memory.median, ours.del.memory.median);
  return [
    atMost('ADD, ratio to Go bridge', ratio(ours.add.wall, bridge.add.wall), SHARE),
    atMost('DEL, ratio to Go bridge', ratio(ours.del.wall, bridge.del.wall), SHARE),
    { target: 'ADD immediately after DEL succeeds', found: `${done} of ${tried}`, isMet: done === tried },
    atMost('peak memory of the called process, KiB', memory, CALLED_KIB),
  ];
}

function judgeFloor({ floor }: Results): readonly Verdict[] {
  const ours = ofPeer(floor, AGENT);
  if (ours === undefined) return [];
  return [
    atMost('ADD, ratio to an empty round trip', ratio(ours.add.wall, ours.version.wall), EMPTY_ROUND_TRIPS),
  ];
}

function judgeBursts({ atOnce }: Results): readonly Verdict[] {
  const many = atOnce?.filter(({ calls }) => calls === MANY);
  const [ours, bridge] = [ofPeer(many, AGENT), ofPeer(many, BRIDGE)];
  if (ours === undefined || bridge === undefined) return [];
  const peak = ({ agentMemory }: Burst): number => agentMemory?.median ?? Number.NaN;
  return [
    atMost(`${MANY} ADDs at once, ratio to Go bridge`, ratio(ours.add.wall, bridge.add.wall), SHARE),
    atMost(`${MANY} DELs at once, ratio to Go bridge`, ratio(ours.del.wall, bridge.del.wall), SHARE),
    atMost(
      `peak memory of the agent with ${MANY} calls at once, MiB`,
      Math.max(peak(ours.add), peak(ours.del)),
      AGENT_MIB,
    ),
  ];
}

/**
 * Judges how ADD grows with the number of pods. The kernel's share, which is the growth of a C
 * program that makes the same requests, does not count.
 */
function judgeGrowth({ growth }: Results): readonly Verdict[] {
  const ours = growth?.filter(({ peer }) => peer === AGENT) ?? [];
  const [few, many] = [ours.at(0), ours.at(-1)];
  if (few === undefined || many === undefined || few === many) return [];
  const kernel = (many.kernel?.wall.median ?? 0) - (few.kernel?.wall.median ?? 0);
  const whole = ratio(many.add.wall, few.add.wall);
  const own = (many.add.wall.median - kernel) / few.add.wall.median;
  return [
    {
      target: `ADD with ${many.pods} pods, ratio to ADD with ${few.pods}, without the kernel's share <= ${GROWTH}`,
      found: `${own.toFixed(2)} (${whole.toFixed(2)} with it)`,
      isMet: Math.min(whole, own) <= GROWTH,
    },
  ];
}

function judgeLimits({ limits }: Results): readonly Verdict[] {
  const [ours, bridge] = [ofPeer(limits, AGENT), ofPeer(limits, BRIDGE)];
  if (ours === undefined || bridge === undefined) return [];
  const { calls, succeeded, oomKills } = ours.atOnce;
  return [
    atMost('ADD with 100m CPU and 50 MiB, ratio to Go bridge', ratio(ours.add.wall, bridge.add.wall), 1),
    {
      target: `${calls} ADDs at once with these limits succeed, without an OOM kill`,
      found: `${succeeded} succeeded, ${oomKills} OOM kills`,
      isMet: succeeded === calls && oomKills === 0,
    },
  ];
}

function judgeHooks({ hooks = [] }: Results): readonly Verdict[] {
  return hooks.flatMap(({ interfaces, start, firstReply, emptyNode, define, info, memory, oomKills }) => {
    const sidecar = `sidecar with ${interfaces} interface${interfaces === 1 ? '' : 's'}`;
    return [
      atMost(
        `${sidecar}, exec to Info with 200m CPU, ratio to an empty Node.js`,
        ratio(start, emptyNode),
        HOOKS.start,
      ),
      atMost(
        `${sidecar}, socket to Info with 200m CPU, share of exec to socket`,
        firstReply.median,
        HOOKS.firstReply,
      ),
      // This target applies to a domain with one interface; more interfaces are more work.
      ...(interfaces > 1
        ? []
        : [
            atMost('OnDefineDomain, p50, ratio to Info', define.median / info.median, HOOKS.define),
            atMost('OnDefineDomain, p99, ratio to Info', define.p99 / info.p99, HOOKS.define),
          ]),
      atMost(`${sidecar}, anonymous memory after 1,000 calls, MiB`, memory, HOOKS.memory),
      atMost(`${sidecar}, OOM kills in 64 MB`, oomKills, 0),
    ];
  });
}

const ratio = (value: Spread, base: Spread): number => value.median / base.median;

const atMost = (target: string, value: number, limit: number): Verdict => ({
  target: `${target} <= ${limit}`,
  found: Number.isInteger(value) ? String(value) : value.toFixed(2),
  isMet: value <= limit,
});

export const describeTargets = (verdicts: readonly Verdict[]): string =>
  verdicts.length === 0
    ? '\nJudged no target: targets need results of Tapwire with its agent and of Go bridge.'
    : `\n${table(
        ['target', 'found', ''],
        verdicts.map(({ target, found, isMet }) => [target, found, isMet ? 'met' : 'MISSED']),
      )}`;
