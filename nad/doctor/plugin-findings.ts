import type { AgentFacts, Facts, Plugin } from './facts.ts';
import { error, type Finding, ok, warning } from './finding.ts';

/** What is wrong with the plugin and the runtime beside it. Pure. */
export function findingsOfPlugins(facts: Facts): readonly Finding[] {
  return [
    ...folderFindings(facts),
    ...facts.folders.flatMap(({ path, plugin }) =>
      plugin === null ? [] : pluginFindings(path, plugin, facts),
    ),
  ];
}

function folderFindings({ folders }: Facts): readonly Finding[] {
  const WHAT = 'plugin';
  if (folders.length === 0) {
    return [error(WHAT, 'there is no folder of CNI plugins where runtimes have theirs', NAME_FOLDER)];
  }
  if (folders.some(({ plugin }) => plugin !== null)) return [];
  const paths = folders.map(({ path }) => path).join(', ');
  return [error(WHAT, `tapwire is not in ${paths}`, `install it there, or ${NAME_FOLDER}`)];
}

const NAME_FOLDER = 'name the folder that your runtime uses with --cni-bin-dir';

const INSTALL = 'install it anew, by the DaemonSet or by node_modules/.bin/node dist/install/index.js';

function pluginFindings(folder: string, plugin: Plugin, { agent }: Facts): readonly Finding[] {
  const what = `${folder}/tapwire`;
  if (!plugin.isExecutable) return [error(what, 'cannot be executed', `chmod 0755 ${what}`)];
  if (!plugin.isRootsAlone) {
    return [
      error(what, 'others than root may change what root runs', `chown root: ${what}; chmod 0755 ${what}`),
    ];
  }
  if (plugin.version === null) {
    return [
      error(what, 'is not Tapwire, or not for this processor', 'install Tapwire over it, or elsewhere'),
    ];
  }
  const changed =
    plugin.isOurs === false
      ? [warning(what, 'is another file than this command came with', 'install both from one build')]
      : [];
  const answer =
    plugin.failure === null
      ? ok(what, `version ${plugin.version}, answers VERSION`)
      : error(what, plugin.failure, 'see below what is wrong with the runtime and the agent');
  return [answer, ...changed, runtimeFinding(`${folder}/.tapwire`, plugin, agent)];
}

function runtimeFinding(what: string, { runtime }: Plugin, agent: AgentFacts): Finding {
  if (runtime.isThere && runtime.failure === null)
    return ok(what, 'complete: answers VERSION without an agent');
  if (runtime.isThere) return error(what, runtime.failure ?? '', INSTALL);
  const hasAgent = agent.failure === null && agent.isThere;
  if (runtime.isLeftOut) {
    const found = 'installed without the fallback runtime (--no-fallback)';
    return hasAgent
      ? ok(what, found)
      : error(what, found, 'start the agent, or install without --no-fallback');
  }
  const found = 'the runtime is not there, without which pods cannot start while the agent is away';
  return hasAgent ? warning(what, found, INSTALL) : error(what, found, `${INSTALL}, or start the agent`);
}
