/**
 * A node of its own for one command: a mount and a network namespace with only the parts installed
 * that a test puts there.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { AGENT, NODE } from '../agent/agent.ts';
import { type Printed, tapwire } from './command-line.ts';
import { installs } from './install.ts';

const CHECKOUT = resolve(import.meta.dirname, '../../..');
const PLUGIN = `${CHECKOUT}/dist/cni`;

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

/** Lines of a shell script by part. All of them together make the node complete. */
export const PARTS = {
  tun: 'mknod -m 666 /dev/net/tun c 10 200',
  plugin: 'cp -a "$installed"/. /opt/cni/bin/',
  multus: `echo '{"cniVersion": "1.0.0", "name": "multus", "type": "multus-shim"}' >/etc/cni/net.d/00-multus.conf`,
  agent: `
    ${NODE} ${AGENT} 2>/run/agent.log & agent=$!
    until grep -qs 'Agent is listening' /run/agent.log; do kill -0 $agent || { cat /run/agent.log >&2; exit 9; }; sleep 0.01; done`,
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
    `installed=${await installOnce()}`,
    EMPTY,
    ...parts.map((part) => PARTS[part]),
    change,
  ];
  const end = 'status=0; "$@" || status=$?; [ -z "$agent" ] || kill -KILL $agent; exit $status';
  return tapwire(args, ['unshare', '--mount', '--net', 'sh', '-c', [...lines, end].join('\n'), 'sh']);
}
