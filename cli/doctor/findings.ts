import { confFindings } from './conf-findings.ts';
import type { AgentFacts, Facts, PluginDirectory } from './facts.ts';
import { error, type Finding, ok, warning } from './finding.ts';
import { findingsOfPlugins } from './plugin-findings.ts';
import { silenceFinding } from './silence-finding.ts';
import { tunFinding } from './tun-finding.ts';

/** Decides what is wrong with a node, and what to do. Pure. */
export function toFindings(facts: Facts): readonly Finding[] {
  const { directories, agent } = facts;
  return [
    tunFinding(facts.tun),
    ...wiringFindings(facts),
    silenceFinding(facts.silence),
    ...findingsOfPlugins(facts),
    agentFinding(agent, directories),
    ...readyFindings(agent),
    ...versionFindings(facts),
    nodeFileFinding(facts.nodeFile),
    ...confFindings(facts.confDirectories),
  ];
}

function wiringFindings({ wiring, selinux }: Facts): readonly Finding[] {
  const { matchall, u32 } = wiring;
  const WHAT = 'wiring';
  if (matchall !== null && u32 !== null) {
    const advice =
      'see that the kernel has what is named (modprobe), and that this runs as root on the node itself';
    return [error(WHAT, u32, advice)];
  }
  const how =
    matchall === null
      ? 'by matchall'
      : 'by u32; this kernel has no matchall (CONFIG_NET_CLS_MATCHALL), which no VM misses';
  const label = selinux === null ? '' : `; SELinux is ${selinux}, and containers may use the taps`;
  return [ok(WHAT, `two taps in a netns of their own take each other's frames, ${how}${label}`)];
}

function agentFinding(
  { socket, isThere, failure }: AgentFacts,
  directories: readonly PluginDirectory[],
): Finding {
  const WHAT = 'agent';
  if (isThere && failure === null) return ok(WHAT, `answers at ${socket}`);
  if (isThere) {
    const advice = `see that the agent's pod runs on this node; if it is gone for good, rm ${socket}`;
    return error(WHAT, `does not answer at ${socket}, and calls wait for it: ${failure}`, advice);
  }
  const hasFallback = directories.some(
    ({ plugin }) => plugin?.fallback.isThere && plugin.fallback.failure === null,
  );
  const found = hasFallback
    ? 'is not here; every call starts Node.js, one at a time'
    : 'is not here, and there is no fallback';
  return (hasFallback ? warning : error)(WHAT, found, 'run the DaemonSet on this node');
}

function readyFindings({ isThere, failure, health, ready }: AgentFacts): readonly Finding[] {
  const WHAT = 'agent health';
  if (!isThere || failure !== null) return [];
  if (ready === null) {
    return [warning(WHAT, `nobody answers at http://${health}/readyz`, "see the agent's option --health")];
  }
  if (ready.isReady) return [ok(WHAT, `ready, says http://${health}/readyz`)];
  return [
    error(WHAT, `not ready: ${ready.text}`, "see its log, and that the agent's container has what it needs"),
  ];
}

function versionFindings({ version, directories, agent }: Facts): readonly Finding[] {
  const others = [
    ...directories.flatMap(({ path, plugin }) =>
      plugin?.version ? [[`${path}/tapwire`, plugin.version]] : [],
    ),
    ...(agent.version === null ? [] : [['the agent', agent.version]]),
  ].filter(([, other]) => other !== version);
  return others.map(([who, other]) =>
    warning('versions', `${who} is ${other}, this command ${version}`, 'install all from one release'),
  );
}

function nodeFileFinding({ path, isThere, failure }: Facts['nodeFile']): Finding {
  const WHAT = 'node file';
  if (failure !== null)
    return error(WHAT, failure, 'until then this node wires no pod at all; mend or remove it');
  return ok(WHAT, isThere ? `${path} is valid` : `none at ${path}: every namespace may use the bindings`);
}
