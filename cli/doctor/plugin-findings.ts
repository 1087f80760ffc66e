import { judgedOf } from './conf-findings.ts';
import { type Diagnosis, error, ok, warning } from './diagnosis.ts';
import type { ConfDirectory, Facts, Plugin, PluginDirectory } from './facts.ts';
import { fallbackFindings, INSTALL } from './fallback-findings.ts';

/** Judges the plugin and the fallback next to it. Pure. */
export function findingsOfPlugins(facts: Facts): readonly Diagnosis[] {
  return [
    ...facts.missingDirectories.map((path) =>
      error('plugin', `${path} is not a directory, but --cni-bin-dir names it`, 'check the path'),
    ),
    ...directoryFindings(facts),
    ...facts.directories.flatMap(({ path, plugin }) =>
      plugin === null ? [] : pluginFindings(path, plugin, facts),
    ),
  ];
}

function directoryFindings({
  directories,
  missingDirectories,
  confDirectories,
}: Facts): readonly Diagnosis[] {
  const WHAT = 'plugin';
  if (directories.length === 0) {
    if (missingDirectories.length > 0) return [];
    return [error(WHAT, 'none of the known directories of CNI plugins exists', NAME_DIRECTORY)];
  }
  const installed = directories.filter(({ plugin }) => plugin !== null);
  if (installed.length === 0) {
    return [
      error(WHAT, `tapwire is not in ${pathsOf(directories)}`, `install it there, or ${NAME_DIRECTORY}`),
    ];
  }
  const judged = judgedOf(confDirectories);
  const searched = directories.filter(
    ({ platform, path }) => platform === (judged?.platform ?? null) || path === binDirectoryOf(judged),
  );
  if (searched.length === 0 || searched.some(({ plugin }) => plugin !== null)) return [];
  return [
    warning(
      WHAT,
      `tapwire is in ${pathsOf(installed)}, but ${judged?.platform ?? 'the container runtime'} searches ${pathsOf(searched)}`,
      `install it there, or ${NAME_DIRECTORY}`,
    ),
  ];
}

const NAME_DIRECTORY = "name the node's directory of CNI plugins with --cni-bin-dir";

const pathsOf = (directories: readonly PluginDirectory[]): string =>
  directories.map(({ path }) => path).join(', ');

/** The directory that Multus' own configuration adds to the search; null if there is none. */
const binDirectoryOf = (judged: ConfDirectory | undefined): string | null =>
  judged?.confs.find(({ multus }) => multus !== null)?.multus?.binDirectory ?? null;

function pluginFindings(directory: string, plugin: Plugin, { agent }: Facts): readonly Diagnosis[] {
  const what = `${directory}/tapwire`;
  if (!plugin.isExecutable) return [error(what, 'cannot be executed', `chmod 0755 ${what}`)];
  if (!plugin.isRootsAlone) {
    return [
      error(
        what,
        'users other than root can change what root runs',
        `chown root: ${what}; chmod 0755 ${what}`,
      ),
    ];
  }
  if (plugin.version === null) {
    return [
      error(
        what,
        'is not Tapwire, or not for this architecture',
        'install Tapwire in its place, or in another directory',
      ),
    ];
  }
  const changed = [
    ...(plugin.isOurs === false
      ? [warning(what, 'is not the file that this command came with', 'install both from one build')]
      : []),
    ...(plugin.isInstalled === false
      ? [
          warning(
            what,
            'is not the file that the installer wrote, according to its inventory',
            `find out who changed it, then ${INSTALL}`,
          ),
        ]
      : []),
  ];
  const answer =
    plugin.failure === null
      ? ok(what, `version ${plugin.version}, answers VERSION`)
      : error(what, plugin.failure, 'see the fallback and the agent below');
  return [
    { ...answer, version: plugin.version },
    ...changed,
    ...fallbackFindings(`${directory}/.tapwire`, plugin, agent),
  ];
}
