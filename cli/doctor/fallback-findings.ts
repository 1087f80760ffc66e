import { type Diagnosis, error, ok, warning } from './diagnosis.ts';
import type { AgentFacts, Comparison, Plugin } from './facts.ts';

export const INSTALL =
  'install it again, by the DaemonSet or by node_modules/.bin/node dist/install/index.js';

/**
 * Most names in one message. A directory that another program fills may have thousands of files.
 */
const MAX_NAMES = 5;

/** Judges the fallback: the files that the plugin runs without an agent. Pure. */
export function fallbackFindings(
  what: string,
  { fallback }: Plugin,
  agent: AgentFacts,
): readonly Diagnosis[] {
  const { isThere, failure, comparison } = fallback;
  if (!isThere) return [absent(what, fallback.isLeftOut, agent)];
  const differences = comparison === null ? [] : differencesOf(what, comparison);
  const answer = failure === null ? [] : [error(what, failure, INSTALL)];
  if (differences.length > 0 || answer.length > 0) return [...answer, ...differences];
  if (comparison === null) {
    const found = 'answers VERSION without an agent, but has no inventory: its files cannot be compared';
    return [warning(what, found, `remove it and tapwire while no pods start, then ${INSTALL}`)];
  }
  return [ok(what, 'as installed, answers VERSION without an agent')];
}

function differencesOf(what: string, comparison: Comparison): readonly Diagnosis[] {
  const { missing, changed, foreign, writable } = comparison;
  return [
    ...(missing.length > 0 ? [error(what, `lacks ${list(missing)}`, INSTALL)] : []),
    ...(changed.length > 0 ? [error(what, `is not as installed: ${list(changed)}`, INSTALL)] : []),
    ...(writable.length > 0
      ? [
          error(
            what,
            `users other than root can change ${list(writable)}, which root runs`,
            `find out who changed it, then ${INSTALL}`,
          ),
        ]
      : []),
    ...(foreign.length > 0
      ? [
          warning(
            what,
            `has files that the installer did not write: ${list(foreign)}`,
            'find out where they come from, and remove them',
          ),
        ]
      : []),
  ];
}

function list(paths: readonly string[]): string {
  const names = paths.slice(0, MAX_NAMES).map((path) => JSON.stringify(path));
  const more = paths.length - names.length;
  return `${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function absent(what: string, isLeftOut: boolean, agent: AgentFacts): Diagnosis {
  const hasAgent = agent.failure === null && agent.isThere;
  if (isLeftOut) {
    const found = 'installed without the fallback (--no-fallback)';
    return hasAgent
      ? ok(what, found)
      : error(what, found, 'start the agent, or install without --no-fallback');
  }
  const found = 'the fallback is missing, so pods cannot start while the agent is down';
  return hasAgent ? warning(what, found, INSTALL) : error(what, found, `${INSTALL}, or start the agent`);
}
