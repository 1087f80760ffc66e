import { confFindings } from './conf-findings.ts';
import { type Diagnosis, error, ok, warning } from './diagnosis.ts';
import type { AgentFacts, Facts, PluginDirectory } from './facts.ts';
import { macvtapFindings } from './macvtap-findings.ts';
import { passageFindings } from './passage-findings.ts';
import { findingsOfPlugins } from './plugin-findings.ts';
import { silenceFinding } from './silence-finding.ts';
import { tunFinding } from './tun-finding.ts';

/** Judges the facts about a node: what is right or wrong, and what to do about it. Pure. */
export function toFindings(facts: Facts): readonly Diagnosis[] {
  const { directories, agent } = facts;
  return [
    tunFinding(facts.tun),
    ...wiringFindings(facts),
    silenceFinding(facts.silence),
    ...(canWire(facts) ? passageFindings(facts.passage) : []),
    ...findingsOfPlugins(facts),
    agentFinding(agent, directories),
    ...readyFindings(agent),
    ...versionFindings(facts),
    nodeFileFinding(facts.nodeFile),
    ...macvtapFindings(facts),
    ...confFindings(facts.confDirectories),
  ];
}

const canWire = ({ wiring: { matchall, u32 } }: Facts): boolean => matchall === null || u32 === null;

function wiringFindings(facts: Facts): readonly Diagnosis[] {
  const { selinux, wiring } = facts;
  const { matchall, u32 } = wiring;
  const WHAT = 'wiring';
  if (!canWire(facts) && u32 !== null) {
    const advice = 'load the kernel module that is named (modprobe), and run this as root on the node itself';
    return [error(WHAT, u32, advice)];
  }
  const how =
    matchall === null
      ? 'by matchall'
      : 'by u32; this kernel has no matchall (CONFIG_NET_CLS_MATCHALL), which makes no difference to VMs';
  const label = selinux === null ? '' : `; SELinux is ${selinux}, and containers may use the taps`;
  return [ok(WHAT, `two taps in a temporary netns exchange frames, ${how}${label}`)];
}

function agentFinding(
  { socket, isThere, failure, version }: AgentFacts,
  directories: readonly PluginDirectory[],
): Diagnosis {
  const WHAT = 'agent';
  if (isThere && failure === null) {
    return { ...ok(WHAT, `answers at ${socket}`), ...(version === null ? {} : { version }) };
  }
  if (isThere) {
    const advice = `check that the agent's pod runs on this node; if the agent was removed for good, rm ${socket}`;
    return error(WHAT, `does not answer at ${socket}, and calls wait for it: ${failure}`, advice);
  }
  const hasFallback = directories.some(
    ({ plugin }) => plugin?.fallback.isThere && plugin.fallback.failure === null,
  );
  const found = hasFallback
    ? 'is not running, so every call starts Node.js, one at a time'
    : 'is not running, and there is no fallback';
  return (hasFallback ? warning : error)(WHAT, found, 'run the DaemonSet on this node');
}

function readyFindings({ isThere, failure, health, ready }: AgentFacts): readonly Diagnosis[] {
  const WHAT = 'agent health';
  if (!isThere || failure !== null) return [];
  if (ready === null) {
    return [warning(WHAT, `no response from http://${health}/readyz`, "check the agent's option --health")];
  }
  if (ready.isReady) return [ok(WHAT, `ready, according to http://${health}/readyz`)];
  return [
    error(
      WHAT,
      `not ready: ${ready.text}`,
      "see the agent's log, and check the rights and mounts of its container",
    ),
  ];
}

function versionFindings({ version, directories, agent }: Facts): readonly Diagnosis[] {
  const others = [
    ...directories.flatMap(({ path, plugin }) =>
      plugin?.version ? [[`${path}/tapwire`, plugin.version]] : [],
    ),
    ...(agent.version === null ? [] : [['the agent', agent.version]]),
  ].filter(([, other]) => other !== version);
  return others.map(([who, other]) =>
    warning(
      'versions',
      `${who} has version ${other}, this command ${version}`,
      'install all from one release',
    ),
  );
}

function nodeFileFinding({ path, isThere, failure }: Facts['nodeFile']): Diagnosis {
  const WHAT = 'node policy file';
  if (failure !== null) return error(WHAT, failure, 'fix or remove it; until then this node wires no pods');
  return ok(WHAT, isThere ? `${path} is valid` : `none at ${path}: every namespace may use the bindings`);
}
