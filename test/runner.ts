/**
 * Runs every test file in its own process and says where the time went. The last line is "N passed,
 * N failed, N skipped".
 *
 * uvu itself reports success if a file forgets `.run()`, if a suite is empty, or if the event loop
 * is empty in the middle of a test. So this runner counts a file only by the totals that it
 * printed. Missing totals, no tests or a bad exit status are a failure.
 *
 * A file that calls the plugin as a container runtime does runs once for each way to serve a call:
 * with the agent all of its tests, in the other ways the sample that the file names
 * (helpers/plugin/way.ts). TAPWIRE_WAY=fallback runs all tests in that way only.
 *
 * A test that replays a recording of real callers (fixtures/recorded) reports that
 * (helpers/plugin/recorded.ts). A run of all files fails if no test has replayed one of the
 * recordings.
 *
 * An interrupted run leaves nothing behind. Each file runs in its own session, so Ctrl-C does not
 * end it before the runner has found all its descendants. It records the names of its netns, which
 * are also those of its cgroups, and its temporary files are in a directory of the run.
 */
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, constants, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { messageOf } from '../shared/errors.ts';
import { ENDING_SIGNALS } from './helpers/lab/interruption.ts';
import { endNetns } from './helpers/lab/remove.ts';
import { findObstacle } from './helpers/obstacle.ts';
import { NETNS_LEDGER, recordedNetns } from './helpers/pod/ledger.ts';
import { killSession } from './helpers/process-tree.ts';
import { describeTimes, type RunTime } from './helpers/run-times.ts';

const USAGE = `Usage: node test/run.ts [options] [PART ...]

Runs the test files whose path contains one of the PARTs: unit/cni, cni/kill, vm. Without a PART, it runs all of them.
Tests outside unit/ need root, the set-up that "npm test" makes, and "npm run build" after a change of the sources.
A file is the smallest unit: no option runs a single test.

  --root DIR   look for test files in DIR (default: test)
  --help       print this help

TAPWIRE_WAY=WAY runs the tests that call the plugin in one way only: agent, fallback or one-shot. While you develop,
agent is enough.
One file takes a second to some minutes; a run of several ends with their times.
The last line is "N passed, N failed, N skipped". Exit status: 0 all passed, 1 a test failed or none ran, 2 cannot run.`;

function parseCommandLine() {
  try {
    return parseArgs({
      options: {
        root: { type: 'string', default: import.meta.dirname },
        help: { type: 'boolean', default: false },
      },
      allowPositionals: true,
    });
  } catch (error) {
    return refuse(`${messageOf(error).split('. ')[0]}; see "node test/run.ts --help"`);
  }
}

function refuse(reason: string): never {
  console.error(`Cannot run the tests: ${reason}`);
  process.exit(2);
}

const { values, positionals } = parseCommandLine();
if (values.help) {
  console.log(USAGE);
  process.exit();
}
const ROOT = resolve(values.root);
/**
 * Time after which a file that hangs is ended. Long, because a VM test boots several guests under
 * emulation, possibly on a slow machine.
 */
const FILE_TIMEOUT = 30 * 60_000; // ms

/**
 * Directories and files whose tests call the plugin, and the ways to serve their calls. containerd
 * starts the executable itself, so its tests do not run the one-shot bundle.
 */
const WAYS: Readonly<Record<string, readonly string[]>> = {
  'cni/': ['one-shot', 'agent', 'fallback'],
  'runtime/containerd': ['agent', 'fallback'],
};

/** The only way that was asked for; empty: all. */
const WANTED_WAY = process.env['TAPWIRE_WAY'] ?? '';
const KNOWN_WAYS = [...new Set(Object.values(WAYS).flat())];
if (WANTED_WAY !== '' && !KNOWN_WAYS.includes(WANTED_WAY)) {
  refuse(`TAPWIRE_WAY is "${WANTED_WAY}"; set it to ${KNOWN_WAYS.join(', ')}, or unset it`);
}

/**
 * Files that start first, the longest first, so that none of them is left to run alone at the end.
 */
const LONGEST = [
  'runtime/upgrade',
  'cni/lost-answers',
  'vm/queues',
  'agent/lost',
  'agent/soak',
  'runtime/sidecar-small',
  'netns/add',
  'netns/cluster',
  'cni/kill',
  'cni/macvtap',
  'vm/demo',
  'netns/no-network',
  'runtime/containerd-rounds',
  'netns/doctor',
  'runtime/diagnosis',
  'cni/conformance',
];

/**
 * Files that run at a time. For half of their time they wait: for the kernel to delete a netns, a
 * timeout or a guest.
 */
const LANES = Math.ceil(availableParallelism() * 1.5);

// Before anything is created. Output fails if the terminal is closed or head(1) has ended.
for (const signal of ENDING_SIGNALS) process.on(signal, stop);
process.stdout.on('error', () => stop('SIGPIPE'));
process.stderr.on('error', () => stop('SIGPIPE'));

/**
 * Directory of all files of the run, the ledgers and what the tests write to /tmp. Its name is
 * short, because paths of sockets must be; any user may enter it, such as a VM's.
 */
const FOLDER = mkdtempSync(join(tmpdir(), 'tw-'));
chmodSync(FOLDER, 0o755);
/** Path of a file with one line for each recording that a test has replayed. */
const LEDGER = join(FOLDER, 'ledger');
writeFileSync(LEDGER, '');
process.on('exit', () => rmSync(FOLDER, { recursive: true, force: true }));

/** One run of a test file. */
interface Run {
  readonly path: string;
  readonly way: string | undefined;
}

interface FileResult {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

function findTestFiles(parts: readonly string[]): string[] {
  return readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.ts'))
    .filter((path) => parts.length === 0 || parts.some((part) => `test/${path}`.includes(part)))
    .sort();
}

function runsOf(path: string): Run[] {
  const [, ways] = Object.entries(WAYS).find(([start]) => path.startsWith(start)) ?? [];
  if (ways === undefined) return [{ path, way: undefined }];
  return ways.filter((way) => WANTED_WAY === '' || way === WANTED_WAY).map((way) => ({ path, way }));
}

/** Returns the place in the queue: the index in LONGEST, or its length. */
function rankOf({ path }: Run): number {
  const rank = LONGEST.findIndex((start) => path.startsWith(start));
  return rank === -1 ? LONGEST.length : rank;
}

/** Returns the recordings that no test has replayed, as paths under their directory. */
function findUnreplayed(): string[] {
  const folder = join(ROOT, 'fixtures/recorded');
  if (!existsSync(folder)) return [];
  const replayed = new Set(readFileSync(LEDGER, 'utf8').split('\n'));
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== 'README.md')
    .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1))
    .filter((path) => !replayed.has(path))
    .sort();
}

function readTotal(output: string, label: string): number | undefined {
  const totals = output.match(new RegExp(`^ {2}${label}: +(\\d+)$`, 'm'));
  return totals?.[1] === undefined ? undefined : Number(totals[1]);
}

async function deleteAll(netnses: readonly string[]): Promise<void> {
  for (const netns of netnses) {
    await endNetns(netns).catch((error) => console.error(`Cannot delete ${netns}: ${messageOf(error)}`));
  }
}

const times: RunTime[] = [];

/**
 * Runs one file.
 * 1. Starts it in its own session, and ends it after FILE_TIMEOUT.
 * 2. Reads the totals that it printed.
 * 3. Kills its processes and deletes its netns if it was ended, or ended by itself without totals.
 * 4. Looks for a problem, and prints the result, with all output if it failed.
 */
async function runFile({ path, way }: Run): Promise<FileResult> {
  const started = performance.now();
  const netnsLedger = join(FOLDER, `netns-${way ?? 'only'}-${path.replaceAll('/', '-')}`);
  const file = execa(process.execPath, [resolve(ROOT, path)], {
    all: true,
    reject: false,
    detached: true,
    env: {
      NO_COLOR: '1',
      FORCE_COLOR: '0',
      TMPDIR: FOLDER,
      TAPWIRE_REPLAYED: LEDGER,
      [NETNS_LEDGER]: netnsLedger,
      ...(way === undefined ? {} : { TAPWIRE_WAY: way, TAPWIRE_WAYS: WANTED_WAY === '' ? 'all' : 'one' }),
    },
  });
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    end(file.pid);
  }, FILE_TIMEOUT);
  running.add(file.pid);
  const { all, exitCode } = await file;
  clearTimeout(timer);
  running.delete(file.pid);
  const total = readTotal(all, 'Total');
  if (timedOut || stopping !== null || total === undefined) {
    end(file.pid);
    await deleteAll(recordedNetns(netnsLedger));
  }
  if (stopping !== null) return { passed: 0, failed: 0, skipped: 0 };
  const seconds = (performance.now() - started) / 1000;
  const passed = readTotal(all, 'Passed') ?? 0;
  const skipped = readTotal(all, 'Skipped') ?? 0;

  const problem = timedOut
    ? `did not end within ${FILE_TIMEOUT / 1000} s`
    : total === undefined
      ? `unfinished: exit status ${exitCode} and no totals (a pending promise, a crash, or no .run())`
      : total === 0
        ? 'no test in this file'
        : exitCode !== 0 && passed === total
          ? `every test passed but exit status ${exitCode}`
          : undefined;
  const failed =
    (total ?? 0) -
    passed + // uvu's total does not include skipped tests
    (problem === undefined ? 0 : 1);

  const name = `${path}${way === undefined ? '' : ` by ${way}`}`;
  times.push({ name, seconds });
  console.log(`${failed === 0 ? 'ok  ' : 'FAIL'} test/${name} (${passed} passed, ${seconds.toFixed(1)} s)`);
  // Of a file that passed, only lines with the mark "@" are shown, such as those of a guest's
  // console.
  const shown = failed > 0 ? all : (all.match(/^@.*$/gm) ?? []).join('\n');
  if (shown !== '') console.log(shown.replace(/^/gm, '     '));
  if (problem !== undefined) console.log(`     ${problem}`);
  return { passed, failed, skipped };
}

const files = findTestFiles(positionals);
const queue = files.flatMap(runsOf).sort((one, other) => rankOf(one) - rankOf(other));
const runCount = queue.length;
/** Process ids of the files that run now. */
const running = new Set<number | undefined>();
let stopping: NodeJS.Signals | null = null;

const end = (pid: number | undefined): void => {
  if (pid !== undefined) killSession(pid);
};

/** Ends all files. The rest happens where they are awaited. */
function stop(signal: NodeJS.Signals): void {
  if (stopping === null)
    console.error(`\nStopped by ${signal}: deleting what ${running.size} test files have made`);
  stopping ??= signal;
  queue.length = 0;
  for (const pid of running) end(pid);
}

// Files of another root need neither a build nor root, as far as this runner knows.
const obstacle = ROOT === import.meta.dirname ? await findObstacle(files) : undefined;
if (obstacle !== undefined && stopping === null) refuse(obstacle);

const results: FileResult[] = [];
const worker = async () => {
  for (let run = queue.shift(); run !== undefined; run = queue.shift()) results.push(await runFile(run));
};
await Promise.all(Array.from({ length: LANES }, worker));

if (stopping !== null) {
  console.log(`Stopped by ${stopping}`);
  process.exit(128 + constants.signals[stopping]);
}

// Only a run of all files replays all recordings.
const unreplayed = positionals.length === 0 ? findUnreplayed() : [];
for (const path of unreplayed) console.log(`FAIL test/fixtures/recorded/${path}: no test has replayed it`);

const sum = (key: keyof FileResult) => results.reduce((total, result) => total + result[key], 0);
const failed = sum('failed') + unreplayed.length + (runCount === 0 ? 1 : 0);
if (files.length === 0) console.log(`No test file in ${ROOT} matches`);
else if (runCount === 0) console.log(`No matching test file runs with TAPWIRE_WAY=${WANTED_WAY}`);
if (times.length > 1) console.log(['', ...describeTimes(times, process.uptime())].join('\n'));
console.log(`\n${sum('passed')} passed, ${failed} failed, ${sum('skipped')} skipped`);
if (failed > 0) process.exitCode = 1;
