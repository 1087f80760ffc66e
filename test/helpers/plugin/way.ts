/**
 * The three ways in which a call of the plugin is served. Clients see no difference between them.
 * The runner starts every file of test/cni once for each way. After the request has been read, all
 * ways run the same code. So most tests run only with the agent, and each file has a sample that
 * runs in every way:
 * const everyWay = suite('the subject');     const test = inOneWay(everyWay);
 * Register with `everyWay(…)` what one way could break by itself: processes, descriptors,
 * environment, stdin, exit status, locks, and at least one whole ADD, CHECK and DEL of the file's
 * subject. `TAPWIRE_WAY=fallback` runs all tests in that way.
 */
import { existsSync, lstatSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { messageOf } from '../../../shared/errors.ts';
import { type Agent, type AgentOptions, NODE, startAgent } from '../agent/agent.ts';
import { UNHURRIED } from './shim.ts';

const DIST = resolve(import.meta.dirname, '../../../dist');

/** The installed plugin: the shim, and next to it the fallback. */
export const TAPWIRE = join(DIST, 'cni/tapwire');
/** The shim whose paths come from the environment. */
const TEST_TAPWIRE = join(DIST, 'test/tapwire');
const ONE_SHOT = join(DIST, 'cni/index.js');

export const WAYS = [
  /** The bundle, without the shim. */
  'one-shot',
  /** The shim, connected to an agent that runs as long as the test file. */
  'agent',
  /** The installed shim, which finds no agent and runs the bundle. */
  'fallback',
] as const;
export type Way = (typeof WAYS)[number];

/** The way of this process. The default serves nearly all calls on real nodes. */
export const WAY: Way = wayIn(process.env['TAPWIRE_WAY'] ?? 'agent');

function wayIn(text: string): Way {
  const way = WAYS.find((known) => known === text);
  if (way === undefined) throw new Error(`Cannot read TAPWIRE_WAY: want ${WAYS.join(', ')}, got "${text}"`);
  return way;
}

const NOWHERE = '/nonexistent/tapwire';
const AGENT_SOCKET = '/run/tapwire/agent.sock';
if (WAY === 'fallback' && existsSync(AGENT_SOCKET)) {
  throw new Error(`Cannot test what happens without an agent: this machine has one at ${AGENT_SOCKET}`);
}

const FOLDER = mkdtempSync(join(tmpdir(), 'tapwire-way-'));
process.on('exit', () => rmSync(FOLDER, { recursive: true }));

/**
 * Stands in for /etc/tapwire/node.json in all calls of this process. A test that writes it deletes
 * it again.
 */
export const NODE_FILE = join(FOLDER, 'node.json');

let agent: Promise<Agent> | undefined;

/** The agent that serves this test file. */
export function ourAgent(): Promise<Agent> {
  agent ??= startOurs();
  return agent;
}

async function startOurs(): Promise<Agent> {
  const started = await startAgent({ socket: join(FOLDER, 'agent.sock'), nodeFile: NODE_FILE });
  // Stops the agent when all tests are done. Not in a hook of the suite, because uvu hides failures
  // of hooks.
  process.once('beforeExit', () => {
    started.stop().catch((error) => {
      console.error(messageOf(error));
      process.exitCode = 1;
    });
  });
  return started;
}

/** Socket of a second agent. Everything in the directory is deleted with this process. */
const nextSocket = (): string => join(mkdtempSync(join(FOLDER, 'agent-')), 'agent.sock');

/** Starts a second agent, which the caller ends. */
export const startOther = (
  options: Pick<AgentOptions, 'under' | 'env'> & Partial<Pick<AgentOptions, 'nodeFile'>>,
): Promise<Agent> => startAgent({ nodeFile: NODE_FILE, ...options, socket: nextSocket() });

/**
 * Calls `act` with a second agent, which the command line `under` starts as another user or in
 * other namespaces.
 */
export async function withAgentUnder<T>(
  under: readonly string[],
  act: (agent: Agent) => Promise<T>,
): Promise<T> {
  const other = await startOther({ under });
  try {
    return await act(other);
  } finally {
    await other.stop();
  }
}

/** The command line that starts a program, and its whole environment. */
export interface CommandLine {
  readonly words: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Returns how a caller with this environment starts the plugin, so that the call is served only in
 * the current way.
 *
 * @param asked the agent, if it is not that of the test file
 * @param nodeFile path of the node policy file, unless an agent reads it
 */
export async function plugin(
  env: Readonly<Record<string, string>>,
  asked?: Pick<Agent, 'socket'>,
  nodeFile: string = NODE_FILE,
): Promise<CommandLine> {
  switch (WAY) {
    case 'one-shot':
      return { words: [NODE, ONE_SHOT], env: { ...scrubbed(env), TAPWIRE_NODE_FILE: nodeFile } };
    case 'agent': {
      // There is no fallback, so that a call fails if the agent is missing.
      const { socket } = asked ?? (await ourAgent());
      const paths = { TAPWIRE_AGENT_SOCKET: socket, TAPWIRE_RUNTIME_DIR: NOWHERE };
      return { words: [TEST_TAPWIRE], env: { ...env, ...paths, TAPWIRE_HELLO_SECOND: String(UNHURRIED) } };
    }
    case 'fallback': {
      // The installed shim knows only one node policy file.
      if (lstatSync(nodeFile, { throwIfNoEntry: false }) === undefined) return { words: [TAPWIRE], env };
      const paths = { TAPWIRE_AGENT_SOCKET: NOWHERE, TAPWIRE_NODE_FILE: nodeFile };
      return { words: [TEST_TAPWIRE], env: { ...env, ...paths } };
    }
  }
}

/** The variables that the shim passes on from an environment. */
const scrubbed = (env: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith('CNI_')));

type Register = (title: string, act: () => Promise<unknown> | unknown) => void;
type Suite = (title: string, act: () => Promise<void>) => void;

/** The way that runs all tests, except those for other ways. */
export const MAIN_WAY: Way = 'agent';

/**
 * Whether test/run.ts runs this file in all ways. If so, the ways other than MAIN_WAY run only the
 * sample.
 */
const IS_ONE_OF_ALL = process.env['TAPWIRE_WAYS'] === 'all';

/** Whether this process runs the tests that need to run in one way only. */
export const RUNS_ALL: boolean = !IS_ONE_OF_ALL || WAY === MAIN_WAY;

/** Registers tests of code that is the same in every way. */
export const inOneWay = (everyWay: Suite): Register => onlyBy(RUNS_ALL ? WAYS : [], everyWay);

/** Registers tests of behaviour that only these ways have. */
export const onlyBy =
  (ways: readonly Way[], test: Suite): Register =>
  (title, act) => {
    if (ways.includes(WAY)) {
      test(title, async () => {
        await act();
      });
    }
  };
