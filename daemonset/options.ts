import { NODE_FILE } from '../cni/policy/node-policy.ts';
import { readArguments, usageError } from '../shared/arguments.ts';

/** The agent's command-line options. */
export interface Options {
  readonly socket: string;
  readonly nodeFile: string;
  /** Address of health and metrics; port 0 means any free port. */
  readonly health: { readonly host: string; readonly port: number };
  /** Directory in which the netns of pods are mounted. */
  readonly netnsDir: string;
  /** Seconds between two scans of the pods; 0 turns them off. */
  readonly scanSeconds: number;
  /** Where the device nodes of the node are. */
  readonly deviceDirectory: string;
}

/** The only socket that an installed plugin connects to. */
export const SOCKET = '/run/tapwire/agent.sock';
export const HEALTH_ADDRESS = '127.0.0.1:9746';
/** containerd and CRI-O name /var/run, a link to /run. */
const NETNS_DIR = '/run/netns';
const DEVICE_DIR = '/dev';
const SCAN_SECONDS = 60;
const MAX_SCAN_SECONDS = 86_400;

export const USAGE = `Usage: tapwire-agent [options]

Runs the calls of this node's CNI plugin, /opt/cni/bin/tapwire, which connects to the agent's socket.

  --socket PATH      socket to listen on; an installed plugin connects to ${SOCKET} only (default)
  --node-file PATH   node policy file (default ${NODE_FILE})
  --health HOST:PORT address of /healthz, /readyz and /metrics (default ${HEALTH_ADDRESS})
  --netns-dir DIR    directory in which the container runtime mounts pods' network namespaces (default ${NETNS_DIR})
  --scan-interval S  seconds between two scans of the pods for conflicting filters; 0 turns them off (default ${SCAN_SECONDS})
  --device-dir DIR   directory with the device nodes of the node, for macvtap (default ${DEVICE_DIR})
  --help             print this
  --version          print the version

Exit status: 0 success, 1 failure, 2 usage error.
`;

/** Returns the options, or which text to print instead. @throws {BindingError} INVALID_CONFIG */
export function parseOptions(args: readonly string[]): Options | 'help' | 'version' {
  const text = { type: 'string' } as const;
  const { values } = readArguments({
    args: [...args],
    options: {
      socket: { ...text, default: SOCKET },
      'node-file': { ...text, default: NODE_FILE },
      health: { ...text, default: HEALTH_ADDRESS },
      'netns-dir': { ...text, default: NETNS_DIR },
      'device-dir': { ...text, default: DEVICE_DIR },
      'scan-interval': { ...text, default: `${SCAN_SECONDS}` },
      help: { type: 'boolean', short: 'h', default: false },
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
    deviceDirectory: values['device-dir'],
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
