/**
 * A node of its own for one command: a mount and a network namespace with only the parts installed
 * that a test puts there.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { AGENT, NODE } from '../agent/agent.ts';
import { HANG } from '../hang.ts';
import { type Printed, tapwire } from './command-line.ts';
import { installs } from './install.ts';

const CHECKOUT = resolve(import.meta.dirname, '../../..');
const PLUGIN = `${CHECKOUT}/dist/cni`;
/** Between two looks at a log, in ms. */
const PAUSE = 20;

/**
 * Everything is deleted with the namespaces. The checkout stays visible, even if it is below one of
 * the directories that are hidden.
 */
const EMPTY = `
  exec 9<'${CHECKOUT}'
  mount --make-rprivate /
  ip link set lo up
  for folder in /opt /etc /run /dev/net /var; do mount -t tmpfs none $folder; done
  [ -e '${CHECKOUT}' ] || { mkdir -p '${CHECKOUT}'; mount --no-canonicalize --bind /proc/self/fd/9 '${CHECKOUT}'; }
  exec 9<&-
  mkdir -p /opt/cni/bin /etc/cni/net.d /etc/tapwire
  mkdir -m 0700 /run/tapwire
`;

/**
 * Waits for this text in the log of the agent `$agent`. The script ends with the log if the agent
 * does, or if the text does not come.
 */
export const untilLogged = (text: string): string => `
  tries=0
  until grep -qs '${text}' /run/agent.log; do
    tries=$((tries + 1))
    kill -0 $agent && [ $tries -lt ${HANG / PAUSE} ] || { echo 'no "${text}" in:'; cat /run/agent.log; exit 9; } >&2
    sleep ${PAUSE / 1000}
  done`;

/** Lines of a shell script by part. All of them together make the node complete. */
export const PARTS = {
  tun: 'mknod -m 666 /dev/net/tun c 10 200',
  plugin: 'cp -a "$installed"/. /opt/cni/bin/',
  multus: `echo '{"cniVersion": "1.0.0", "name": "multus", "type": "multus-shim"}' >/etc/cni/net.d/00-multus.conf`,
  agent: `
    ${NODE} ${AGENT} 2>/run/agent.log & agent=$!
    ${untilLogged('Agent is listening')}`,
} as const;

let installed: Promise<string> | undefined;

/** The directory of CNI plugins as the installer leaves it, created once for a test file. */
function installOnce(): Promise<string> {
  installed ??= (async () => {
    const bin = mkdtempSync(join(tmpdir(), 'tapwire-bin-'));
    process.once('exit', () => rmSync(bin, { recursive: true }));
    await installs(bin, PLUGIN);
    return bin;
  })();
  return installed;
}

/**
 * Runs a command of `tapwire` on a node that has these parts, after further lines have changed it.
 */
export async function onNode(
  parts: readonly (keyof typeof PARTS)[],
  change: string,
  args: readonly string[],
): Promise<Printed> {
  const lines = [
    'set -e',
    // Also if the script fails: the agent would keep its standard output open.
    `agent=; trap '[ -z "$agent" ] || kill -KILL $agent' EXIT`,
    `installed=${await installOnce()}`,
    EMPTY,
    ...parts.map((part) => PARTS[part]),
    change,
    '"$@"',
  ];
  return tapwire(args, ['unshare', '--mount', '--net', 'sh', '-c', lines.join('\n'), 'sh']);
}
