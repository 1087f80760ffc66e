import { NODE_FILE } from '../cni/policy/node-policy.ts';
import { readArguments, usageError } from '../shared/arguments.ts';

/** What the DaemonSet, or a test, may choose. */
export interface Options {
  readonly socket: string;
  readonly nodeFile: string;
  /** Where health and metrics are; port 0 is any that is free. */
  readonly health: { readonly host: string; readonly port: number };
  /** Where the network namespaces of pods are mounted. */
  readonly netnsDir: string;
  /** Time between two scans of the pods; 0: none. */
  readonly scanSeconds: number;
}

/** The only socket that an installed plugin asks at. */
export const SOCKET = '/run/tapwire/agent.sock';
export const HEALTH_ADDRESS = '127.0.0.1:9746';
/** containerd and CRI-O write /var/run, which is a link to /run. */
const NETNS_DIR = '/run/netns';
const SCAN_SECONDS = 60;
const MAX_SCAN_SECONDS = 86_400;

export const USAGE = `Usage: tapwire-agent [options]

Serves the CNI plugin of this node: what /opt/cni/bin/tapwire is asked, it does.

  --socket PATH      where callers find it; an installed plugin asks at ${SOCKET} alone
  --node-file PATH   what the node's owner allows (default ${NODE_FILE})
  --health HOST:PORT address of /healthz, /readyz and /metrics (default ${HEALTH_ADDRESS})
  --netns-dir DIR    where the container runtime mounts the network namespaces of pods (default ${NETNS_DIR})
  --scan-interval S  seconds between two scans of the pods for conflicting filters (default ${SCAN_SECONDS}; 0: none)
  --help             print this
  --version          print the version

Exit status: 0 success, 1 failure, 2 usage error.
`;

/** What was asked for: to serve with these options, or only to print something. @throws {BindingError} INVALID_CONFIG */
export function parseOptions(args: readonly string[]): Options | 'help' | 'version' {
  const text = { type: 'string' } as const;
  const { values } = readArguments({
    args: [...args],
    options: {
      socket: { ...text, default: SOCKET },
      'node-file': { ...text, default: NODE_FILE },
      health: { ...text, default: HEALTH_ADDRESS },
      'netns-dir': { ...text, default: NETNS_DIR },
      'scan-interval': { ...text, default: `${SCAN_SECONDS}` },
      help: { type: 'boolean', default: false },
      version: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  if (values.version) return 'version';
  return {
    socket: values.socket,
    nodeFile: values['node-file'],
    health: parseAddress(values.health),
    netnsDir: values['netns-dir'],
    scanSeconds: parseSeconds(values['scan-interval']),
  };
}

function parseSeconds(seconds: string): number {
  if (/^\d{1,5}$/.test(seconds) && Number(seconds) <= MAX_SCAN_SECONDS) return Number(seconds);
  throw usageError(
    `--scan-interval: want seconds from 0 to ${MAX_SCAN_SECONDS}, got ${JSON.stringify(seconds)}`,
  );
}

function parseAddress(address: string): Options['health'] {
  const [, host, port] =
    /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(address)?.filter((part) => part !== undefined) ?? [];
  if (host !== undefined && Number(port) <= 65535) return { host, port: Number(port) };
  throw usageError(`--health: want HOST:PORT, got ${JSON.stringify(address)}`);
}
