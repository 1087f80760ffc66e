/**
 * The rules of the repository's structure as tests: which directory may import which, which files
 * may have effects, and the form of a test file.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('the layers');

const ROOT = resolve(import.meta.dirname, '../..');

/**
 * The directories, or single files, that each directory may import besides itself, as CONTRIBUTING.md
 * says.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  shared: [],
  cni: ['shared'],
  sidecar: ['shared'],
  daemonset: ['shared', 'cni'],
  nad: ['shared', 'cni/request/config.ts'],
  cli: ['shared', 'cni', 'sidecar', 'daemonset', 'nad'],
};

/** The only files that may have side effects. All others are pure. */
const EDGES = [
  'cli/cluster/agent-template.ts',
  'cli/cluster/doctor.ts',
  'cli/cluster/inspect.ts',
  'cli/cluster/interruption.ts',
  'cli/cluster/kubectl.ts',
  'cli/cluster/run-jobs.ts',
  'cli/commands/doctor.ts',
  'cli/commands/inspect.ts',
  'cli/doctor/probe-agent.ts',
  'cli/doctor/probe-confs.ts',
  'cli/doctor/probe-files.ts',
  'cli/doctor/probe-kubelet.ts',
  'cli/doctor/probe-macvtap.ts',
  'cli/doctor/probe-plugin.ts',
  'cli/doctor/probe-rejections.ts',
  'cli/doctor/probe.ts',
  'cli/doctor/read-file.ts',
  'cli/doctor/run-plugin.ts',
  'cli/enter-root.ts',
  'cli/inspect/inspect.ts',
  'cli/inspect/node.ts',
  'cli/inspect/observe-macvtaps.ts',
  'cli/inspect/observe.ts',
  'cli/main.ts',
  'cli/node-version.ts',
  'cli/read-input.ts',
  'cli/write-directory.ts',
  'cni/answer.ts',
  'cni/commands.ts',
  'cni/kernel/ask-routers.ts',
  'cni/kernel/device-node.ts',
  'cni/kernel/find-router.ts',
  'cni/kernel/kernel.ts',
  'cni/kernel/lower-device.ts',
  'cni/kernel/op-run.ts',
  'cni/kernel/open-netns.ts',
  'cni/kernel/self-test.ts',
  'cni/kernel/selinux.ts',
  'cni/main.ts',
  'cni/policy/node-file.ts',
  'daemonset/calls/caller.ts',
  'daemonset/calls/passed-netns.ts',
  'daemonset/calls/serve-call.ts',
  'daemonset/calls/server.ts',
  'daemonset/device-plugin/device-plugin.ts',
  'daemonset/device-plugin/link-events.ts',
  'daemonset/device-plugin/lower-devices.ts',
  'daemonset/device-plugin/plugin-server.ts',
  'daemonset/device-plugin/read-lower.ts',
  'daemonset/device-plugin/register.ts',
  'daemonset/device-plugin/resource-server.ts',
  'daemonset/devices.ts',
  'daemonset/directory-watch.ts',
  'daemonset/health/connection.ts',
  'daemonset/health/health.ts',
  'daemonset/health/http-server.ts',
  'daemonset/health/liveness.ts',
  'daemonset/hold-hooks.ts',
  'daemonset/install/bin-directory.ts',
  'daemonset/install/files.ts',
  'daemonset/install/install.ts',
  'daemonset/install/main.ts',
  'daemonset/install/self-test.ts',
  'daemonset/install/uninstall.ts',
  'daemonset/log-queue.ts',
  'daemonset/main.ts',
  'daemonset/metrics.ts',
  'daemonset/node-version.ts',
  'daemonset/scan/look.ts',
  'daemonset/scan/scan.ts',
  'daemonset/socket-file.ts',
  'daemonset/warm-up.ts',
  'shared/grpc/unary-call.ts',
  'shared/kubelet/pod-resources.ts',
  'shared/log.ts',
  'shared/native/native.ts',
  'shared/netns/netns.ts',
  'shared/netns/outcome.ts',
  'shared/netns/questions.ts',
  'shared/stderr.ts',
  'sidecar/guests.ts',
  'sidecar/hooks/grpc-server.ts',
  'sidecar/hooks/server.ts',
  'sidecar/hooks/socket.ts',
  'sidecar/hooks/warm-up.ts',
  'sidecar/loader.ts',
  'sidecar/main.ts',
  'sidecar/memory.ts',
  'sidecar/pod/observe.ts',
  'sidecar/services/guest-services.ts',
  'sidecar/services/guest-socket.ts',
  'sidecar/services/reports.ts',
  'sidecar/services/tap-services.ts',
  'sidecar/services/turn.ts',
  'sidecar/services/vmi-file.ts',
];

/**
 * Modules with side effects, and globals that make a function's result depend on more than its
 * arguments.
 */
const EFFECTS = /^(node:(fs|child_process|os|dns|http|worker_threads|module)|@grpc\/)/;
const AMBIENT = /\bprocess\.|\bDate\b|Math\.random|randomBytes|\bconsole\./;

interface Import {
  readonly from: string;
  /** Module specifier; the path from the root if it is relative. */
  readonly to: string;
  readonly isType: boolean;
}

function sourceFiles(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => join(folder, path));
}

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

function importsOf(file: string): Import[] {
  return [...read(file).matchAll(/^(?:import|export) (type )?[^;]*?from '([^']+)'/gms)].map(
    ([, type, target = '']) => ({
      from: file,
      to: target.startsWith('.') ? normalize(join(dirname(file), target)) : target,
      isType: type !== undefined,
    }),
  );
}

const folders = Object.keys(MAY_IMPORT);
const files = folders.flatMap(sourceFiles);
const imports = files.flatMap(importsOf);
const testFiles = sourceFiles('test');

test('every directory imports only the directories that it may', () => {
  const strays = imports.filter(({ from, to }) => {
    const [own = '', target = ''] = [from.split('/')[0], to.split('/')[0]];
    const isAllowed = [own, ...(MAY_IMPORT[own] ?? [])].some((one) => one === target || one === to);
    return /^[a-z]+\//.test(to) && to.endsWith('.ts') && !isAllowed;
  });
  assert.equal(strays, []);
});

test('CONTRIBUTING.md says what each directory may import', () => {
  const rows = [
    ...read('CONTRIBUTING.md').matchAll(/^ +\| `(\w+)` +\| ((?:`[\w/.]+`(?:, )?)*|nothing) +\|$/gm),
  ];
  const said = rows.map(([, own = '', others = '']) => [own, others.match(/[\w/.]+(?=`)/g) ?? []]);
  assert.equal(Object.fromEntries(said), MAY_IMPORT);
});

test('only files in EDGES have side effects', () => {
  const impure = files.filter((file) => !EDGES.includes(file));
  const byImport = imports.filter(
    ({ from, to, isType }) => impure.includes(from) && EFFECTS.test(to) && !isType,
  );
  const byGlobal = impure.filter((file) => AMBIENT.test(read(file).replace(/^\s*(\/?\*|\/\/).*$/gm, '')));
  assert.equal([...byImport, ...byGlobal], []);
});

test('pure files import only types from files in EDGES', () => {
  const strays = imports.filter(
    ({ from, to, isType }) => !EDGES.includes(from) && EDGES.includes(to) && !isType,
  );
  assert.equal(strays, []);
});

test('every file in EDGES exists', () => {
  assert.equal(
    EDGES.filter((file) => !files.includes(file)),
    [],
  );
});

test('there is no default export, no enum and no barrel', () => {
  assert.equal(
    files.filter((file) => /^export (default|\*|(const )?enum)/m.test(read(file))),
    [],
  );
});

const isGenerated = (file: string): boolean => file.endsWith('_pb.ts');

test('there are no circular imports, not even of types', () => {
  assert.equal(circlesOf(new Map(files.map((file) => [file, targetsOf(file)]))), []);
});

test('circlesOf() finds a circle of imports, without files that only lead to it', () => {
  const graph = { a: ['b'], b: ['c', 'leaf'], c: ['d'], d: ['b'], leaf: [] };
  assert.equal(circlesOf(new Map(Object.entries(graph))), [['b', 'c', 'd']]);
});

const targetsOf = (file: string): readonly string[] =>
  imports.filter(({ from }) => from === file).map(({ to }) => to);

/** The groups of files that reach each other by imports, each sorted. */
function circlesOf(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const reachable = (start: string): Set<string> => {
    const reached = new Set<string>();
    const queue = [start];
    for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
      for (const target of graph.get(file) ?? []) {
        if (!reached.has(target)) queue.push(target);
        reached.add(target);
      }
    }
    return reached;
  };
  const reach = new Map([...graph.keys()].map((file) => [file, reachable(file)]));
  const groups = [...graph.keys()]
    .filter((file) => reach.get(file)?.has(file))
    .map((file) =>
      [...graph.keys()].filter((one) => reach.get(file)?.has(one) && reach.get(one)?.has(file)).sort(),
    );
  return [...new Map(groups.map((group) => [group.join(), group])).values()];
}

test('the agent and the plugin load the gRPC library only when they need it', () => {
  const loaded = new Set<string>();
  const queue = ['daemonset/main.ts', 'cni/main.ts'];
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    loaded.add(file);
    const targets = imports.filter(({ from, isType }) => from === file && !isType).map(({ to }) => to);
    queue.push(...targets.filter((target) => !loaded.has(target)));
  }
  assert.ok(loaded.has('daemonset/devices.ts'));
  assert.equal(
    [...loaded].filter((file) => /^@grpc|^daemonset\/device-plugin\/|^@bufbuild/.test(file)),
    [],
  );
});

test('a source file has at most 200 lines of code', () => {
  const codeLines = (file: string) =>
    read(file)
      .replaceAll(/^\s*\/\*\*?.*?\*\//gms, '')
      .split('\n')
      .filter((line) => /\S/.test(line) && !line.trimStart().startsWith('//')).length;
  const long = files.filter((file) => !isGenerated(file) && codeLines(file) > 200);
  assert.equal(
    long.map((file) => `${file}: ${codeLines(file)}`),
    [],
  );
});

test('every test file runs its suite, without hooks, skip and only', () => {
  const tests = testFiles.filter((file) => file.endsWith('.test.ts') && !file.endsWith('unit/run.test.ts'));
  assert.ok(tests.length > 0);
  for (const file of tests) {
    const source = read(file);
    assert.match(source, /^\w+\.run\(\);\n$/m, `${file} runs its suite`);
    const name = /^const (\w+) = suite/m.exec(source)?.[1];
    const misuse = new RegExp(`\\b${name}\\.(before|after|skip|only)\\b`);
    assert.not.match(source, misuse, `${file} has no hook, skip or only`);
  }
});

test('every unit test is at the same path as its source file', () => {
  const subjects = testFiles.filter((file) =>
    /^test\/unit\/(cni|cli|daemonset|nad|sidecar|shared)\//.test(file),
  );
  const orphans = subjects.filter((file) => {
    const source = file.replace(/^test\/unit\//, '').replace(/\.test\.ts$/, '.ts');
    return !files.includes(source);
  });
  assert.equal(orphans, []);
});

/**
 * Directories and files whose text must follow the rules below. Fixtures are excluded because they
 * are recordings, generated code because its generator words it.
 */
const PROSE = [
  ...folders,
  'test',
  'bench',
  'demo',
  'docs',
  'scripts',
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
];

function proseFiles(): string[] {
  const tracked = readdirSync(ROOT, { recursive: true, encoding: 'utf8' });
  return tracked.filter(
    (path) =>
      PROSE.some((start) => path === start || path.startsWith(`${start}/`)) &&
      /\.(ts|c|h|md|sh|yaml)$/.test(path) &&
      !/(^|\/)fixtures\/|_pb\.ts$|unit\/layers\.test\.ts$/.test(path),
  );
}

/** Lines that match, with their places. */
const linesWith = (paths: readonly string[], pattern: RegExp): string[] =>
  paths.flatMap((path) =>
    read(path)
      .split('\n')
      .flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1}: ${line.trim()}`] : [])),
  );

for (const [advice, pattern] of [
  ['negates the verb', /(?<!there )\b(is|are|was|were) (no (?!longer|more\b)|none\b)/i],
  ['says "if" for a condition', /\b(null|undefined|NULL|empty|none|negative|-1) where\b/],
  ['begins a docstring with a noun or a verb', /\/\*\*? (Of|By|Behind|Beside|Whoever|Whatever)\b/],
  ['names things', /\bwhat (is|was|there is) (already )?there\b/],
  [
    'uses the common word',
    /without a word|\banew\b|\bt(ake|akes|aken|aking) (away|back)\b|not come to|others than|parted by/,
  ],
  ['uses the words of the glossary', /[Pp]atience|PATIENCE|\bLOOK\b|YOUNG|WORKSHOP/],
  ['names the subject of a test', /^\s*\w+\(['"`](what|whatever|whose|nobody|somebody)\b/],
] as const) {
  test(`all text ${advice}`, () => {
    assert.equal(linesWith(proseFiles(), pattern), []);
  });
}

test('comments wrap at 100 columns', () => {
  const code = proseFiles().filter((path) => /\.(ts|c|h)$/.test(path));
  assert.equal(linesWith(code, /^(?=.{101})\s*(\/\/(?! biome-ignore)|\/\*|\*[ /])/), []);
});

test.run();
