/**
 * Builds of Tapwire as a node has them during an upgrade: this checkout's, and the version before,
 * built from git.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { type Agent, NODE, startAgent } from '../agent/agent.ts';
import { type Answer, type Call, environmentOf, netconf } from '../plugin/cni.ts';
import { UNHURRIED, withDirectory } from '../plugin/shim.ts';

const CHECKOUT = resolve(import.meta.dirname, '../../..');
/** The last version whose records end with "noqueue", and whose cookies have three flags. */
const COMMIT = 'ac20c894e109f8bfaff476076d977e390347d35a';

export interface Build {
  readonly name: 'old' | 'new';
  /** Directory of the build's files. */
  readonly dist: string;
}

export const NEW: Build = { name: 'new', dist: join(CHECKOUT, 'dist') };

let old: Promise<Build> | undefined;

/** The version before. It is built once, in a directory that is deleted with this process. */
export function versionBefore(): Promise<Build> {
  old ??= buildOld();
  return old;
}

async function buildOld(): Promise<Build> {
  const directory = mkdtempSync(join(tmpdir(), 'tapwire-before-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const git = ['git', '-C', CHECKOUT, '-c', `safe.directory=${CHECKOUT}`];
  const has = await execa(git[0] ?? '', [...git.slice(1), 'cat-file', '-e', `${COMMIT}^{commit}`], {
    reject: false,
  });
  if (has.exitCode !== 0) {
    const advice = 'run the tests in a clone with the whole history (git fetch --unshallow)';
    throw new Error(`Cannot build the version before: git has no commit ${COMMIT}: ${has.stderr}; ${advice}`);
  }
  const unpack = 'umask 022; folder=$1; shift; "$@" | tar -x --no-same-permissions -C "$folder"';
  await execa('bash', ['-o', 'pipefail', '-c', unpack, 'bash', directory, ...git, 'archive', COMMIT]);
  await addPackages(directory);
  await execa(NODE, ['scripts/build.ts'], { cwd: directory, env: { PATH: pathIn(directory) } });
  return { name: 'old', dist: join(directory, 'dist') };
}

/** The checkout's node_modules, if the lock files are equal. */
async function addPackages(directory: string): Promise<void> {
  const [before, now] = [directory, CHECKOUT].map((place) =>
    readFileSync(join(place, 'package-lock.json'), 'utf8'),
  );
  if (before === now) symlinkSync(join(CHECKOUT, 'node_modules'), join(directory, 'node_modules'));
  else await execa('npm', ['ci', '--prefer-offline', '--no-audit', '--no-fund'], { cwd: directory });
}

const pathIn = (directory: string): string => `${directory}/node_modules/.bin:${process.env['PATH'] ?? ''}`;

/** Calls the plugin of one version. */
export type Caller = (command: string, call: Call) => Promise<Answer>;

/** Without an agent and without the shim. */
export const oneShotOf =
  ({ dist }: Build): Caller =>
  (command, call) =>
    run([NODE, join(dist, 'cni/index.js')], command, call, {});

/** The shim of one version, which connects to an agent that may be of the other. */
export const shimOf =
  ({ dist }: Build, { socket }: Pick<Agent, 'socket'>): Caller =>
  (command, call) =>
    run([join(dist, 'test/tapwire')], command, call, {
      TAPWIRE_AGENT_SOCKET: socket,
      TAPWIRE_RUNTIME_DIR: '/nonexistent/tapwire', // A missing agent cannot go unnoticed.
      TAPWIRE_HASTE: '1',
      TAPWIRE_HELLO_SECOND: String(UNHURRIED),
    });

async function run(
  [file = '', ...words]: readonly string[],
  command: string,
  call: Call,
  env: Readonly<Record<string, string>>,
): Promise<Answer> {
  const { exitCode, stdout, stderr } = await execa(file, words, {
    input: JSON.stringify(netconf(call)),
    env: { ...environmentOf(command, call), ...env },
    extendEnv: false,
    reject: false,
    cwd: '/',
  });
  return { exitCode: exitCode ?? -1, stdout, stderr, json: stdout === '' ? undefined : JSON.parse(stdout) };
}

/** Starts an agent of each build at a socket of its own. Both must exit with 0. */
export function withAgents<T>(
  builds: readonly Build[],
  act: (agents: readonly Agent[]) => Promise<T>,
): Promise<T> {
  return withDirectory(async (directory) => {
    const agents: Agent[] = [];
    for (const { name, dist } of builds) {
      const place = join(directory, name);
      mkdirSync(place, { mode: 0o700 });
      const program = join(dist, 'agent/index.js');
      if (!existsSync(program)) throw new Error(`Cannot start an agent: there is no "${program}"`);
      const options = { socket: join(place, 'agent.sock'), nodeFile: join(place, 'node.json'), program };
      agents.push(await startAgent(options));
    }
    const result = await act(agents);
    for (const agent of agents) await agent.stop();
    return result;
  });
}
