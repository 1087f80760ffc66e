import { parseArgs } from 'node:util';

/** The sections of the benchmark, in the order in which they run. */
export const SECTIONS = ['calls', 'at-once', 'growth', 'limits', 'floor', 'passage', 'hooks'] as const;
export type Section = (typeof SECTIONS)[number];

/** A further plugin to measure, named on the command line. */
export interface GuestPeer {
  readonly name: string;
  readonly program: string;
  /** Path of its network configuration (JSON). */
  readonly conf: string;
}

export interface Arguments {
  readonly sections: readonly Section[];
  /** Number of times that each call is measured. */
  readonly rounds: number;
  readonly peers: readonly GuestPeer[];
  readonly help: boolean;
}

/** Number of rounds from which the ratios of medians are stable from run to run. */
export const FULL_ROUNDS = 40;

export const USAGE = `Usage: npm run bench [-- options]

Compares Tapwire with Go's CNI plugins, interleaved, in namespaces of its own. Needs root and Debian; takes some minutes.
A full run writes bench/results.json and bench/results.svg; any other run writes them to build/bench/.

  --only SECTION     measure one of ${SECTIONS.join(', ')}; may be repeated
                       calls    ADD and DEL one by one: time, CPU, memory
                       at-once  50 and 200 calls at once
                       growth   ADD with 1, 50 and 250 pods on the node, and the kernel's share
                       limits   ADD with 100m CPU and 50 MiB, the limits of Multus' daemon
                       floor    ADD compared with an empty round trip to the agent
                       passage  ADD, DEL and each frame with guestAddresses and spoofGuard
                       hooks    the sidecar: start, OnDefineDomain, memory
  --rounds N         measure each call N times (default ${FULL_ROUNDS})
  --peer NAME=PATH   measure a further plugin in "calls"; may be repeated
  --peer-conf FILE   network configuration (JSON) of that plugin; one for each --peer, in the same order
  --help             print this help`;

/** Parses the command line. @throws {Error} for a usage error */
export function parseArguments(argv: readonly string[]): Arguments {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      only: { type: 'string', multiple: true, default: [] },
      rounds: { type: 'string', default: String(FULL_ROUNDS) },
      peer: { type: 'string', multiple: true, default: [] },
      'peer-conf': { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', default: false },
    },
  });
  return {
    sections: values.only.length === 0 ? SECTIONS : values.only.map(toSection),
    rounds: toRounds(values.rounds),
    peers: toPeers(values.peer, values['peer-conf']),
    help: values.help,
  };
}

/** Whether the repository keeps the results of a run with these arguments. */
export const isFullRun = ({ sections, rounds, peers }: Arguments): boolean =>
  SECTIONS.every((section) => sections.includes(section)) && rounds >= FULL_ROUNDS && peers.length === 0;

function toSection(name: string): Section {
  const section = SECTIONS.find((known) => known === name);
  if (section === undefined) throw new Error(`--only: want one of ${SECTIONS.join(', ')}, got "${name}"`);
  return section;
}

function toRounds(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new Error(`--rounds: want a number in 1..9999, got "${text}"`);
  return Number(text);
}

/** Names that are taken: each identifies the results of one peer. */
const TAKEN: readonly string[] = [
  'tapwire',
  'tapwire-alone',
  'tapwire-macvtap',
  'tapwire-macvtap-master',
  'bridge',
  'macvlan',
  'ptp',
  'loopback',
  'floor',
];

function toPeers(peers: readonly string[], confs: readonly string[]): readonly GuestPeer[] {
  if (peers.length !== confs.length) throw new Error('--peer and --peer-conf: want the same number of both');
  return peers.map((peer, index) => {
    const [, name, program] = /^([a-z][a-z0-9-]{0,30})=(.+)$/.exec(peer) ?? [];
    if (name === undefined || program === undefined)
      throw new Error(`--peer: want NAME=/path/to/plugin with a lower-case name, got "${peer}"`);
    if (TAKEN.includes(name)) throw new Error(`--peer: the name "${name}" is taken; choose another name`);
    return { name, program, conf: confs[index] ?? '' };
  });
}
