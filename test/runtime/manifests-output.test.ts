/** `tapwire manifests --output DIR`: what it writes goes through the real kubectl. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAllDocuments } from 'yaml';
import { manifests as command } from '../../cli/commands/manifests.ts';
import { writeDirectory } from '../../cli/write-directory.ts';
import { BINDING_KINDS, BINDINGS, FORMS } from '../../nad/bindings.ts';
import { GATE, LAST_GATED_MINOR, NEWEST_MINOR, OLDEST_MINOR } from '../../nad/kubevirt-versions.ts';
import { NODE } from '../helpers/agent/agent.ts';
import { kubectlCallsOf, kubectlKustomize, kubectlPatch } from '../helpers/cluster/kubectl.ts';
import type { Resource } from '../helpers/cluster/kustomize.ts';
import { withDirectory } from '../helpers/plugin/shim.ts';

const test = suite('tapwire manifests --output');

const MAIN = resolve(import.meta.dirname, '../../cli/main.ts');

/** @param under a command line that runs the program in another place; it ends in an exec */
async function manifests(args: readonly string[], under: readonly string[] = []) {
  const [file = '', ...rest] = [...under, NODE, MAIN, 'manifests', ...args];
  const { exitCode, stdout, stderr } = await execa(file, rest, { reject: false, stripFinalNewline: false });
  return { exitCode, stdout, stderr };
}

/** The same within this process, which is faster. */
async function run(...args: readonly string[]): Promise<string> {
  const read = () => assert.unreachable('reads no files') as never;
  const { stdout, directory, exitCode } = await command.run(args, { read });
  if (directory !== undefined) writeDirectory(directory);
  assert.is(exitCode, 0);
  return stdout;
}

const documentsOf = (text: string): readonly Resource[] =>
  parseAllDocuments(text).map((document) => document.toJS());

const idOf = ({ kind, metadata }: Resource): string => `${kind} ${metadata.namespace}/${metadata.name}`;

/** Objects in an order of their own, without repetitions. kubectl writes keys in another order. */
const sorted = (objects: readonly Resource[]) =>
  [...new Map(objects.map((object) => [idOf(object), object]))].sort().map(([, object]) => object);

const KUBEVIRT = {
  apiVersion: 'kubevirt.io/v1',
  kind: 'KubeVirt',
  metadata: { name: 'kubevirt', namespace: 'kubevirt' },
  spec: {
    configuration: {
      developerConfiguration: { featureGates: ['Root'] },
      network: { binding: { other: { domainAttachmentType: 'tap' } } },
    },
  },
};
const HYPERCONVERGED = {
  apiVersion: 'hco.kubevirt.io/v1beta1',
  kind: 'HyperConverged',
  metadata: { name: 'kubevirt-hyperconverged', namespace: 'kubevirt-hyperconverged' },
  spec: { networkBinding: { other: { domainAttachmentType: 'tap' } } },
};

const MINORS = Array.from({ length: NEWEST_MINOR - OLDEST_MINOR + 1 }, (_, i) => OLDEST_MINOR + i);

for (const form of FORMS) {
  const kinds = BINDING_KINDS.filter((kind) => BINDINGS[kind].forms.includes(form));
  for (const chosen of [...kinds.map((kind) => [kind]), kinds]) {
    for (const operator of ['kubevirt', 'hco'] as const) {
      const options = [
        ...chosen.flatMap((kind) => ['--binding', kind]),
        ...['--form', form, '--image', 'registry.example.com/tapwire:1', '--namespace', 'vms'],
        ...(operator === 'hco' ? ['--hco'] : []),
      ];
      test(`${options.join(' ')}: kubectl takes what every version of KubeVirt gets`, () =>
        withDirectory(async (folder) => {
          for (const minor of MINORS) await requireUsable(folder, options, minor, operator, chosen);
        }));
    }
  }
}

async function requireUsable(
  folder: string,
  options: readonly string[],
  minor: number,
  operator: 'kubevirt' | 'hco',
  kinds: readonly (keyof typeof BINDINGS)[],
): Promise<void> {
  const directory = join(folder, `it's 1.${minor}`);
  const args = [...options, '--kubevirt', `1.${minor}`];
  const printed = await run(...args);
  const stdout = await run(...args, '--output', directory);

  const want = documentsOf(printed).filter(({ kind }) =>
    ['NetworkAttachmentDefinition', 'VirtualMachine'].includes(kind),
  );
  assert.equal(sorted(await kubectlKustomize(directory)), sorted(want));

  let cr: Resource = operator === 'hco' ? HYPERCONVERGED : KUBEVIRT;
  const calls = await kubectlCallsOf(stdout);
  const patches = calls.slice(0, -1).filter(([verb]) => verb !== 'apply');
  const applied = calls.slice(0, -1 - patches.length);
  assert.ok(applied.every(([verb, flag]) => verb === 'apply' && flag === '-f'));
  for (const [, , file = ''] of applied) {
    const kinds = documentsOf(readFileSync(file, 'utf8')).map(({ kind }) => kind);
    assert.ok(kinds.every((kind) => kind === 'NetworkAttachmentDefinition'));
  }
  for (const [namespaceFlag, namespace, verb, , name, ...flags] of patches) {
    assert.equal(
      [namespaceFlag, verb, namespace, name],
      ['-n', 'patch', cr.metadata.namespace, cr.metadata.name],
    );
    cr = await kubectlPatch(cr, flags);
  }
  assert.equal(calls.at(-1), ['apply', '-k', directory]);
  const bindings = operator === 'hco' ? cr.spec.networkBinding : cr.spec.configuration.network.binding;
  const names = kinds.map((kind) => BINDINGS[kind].registeredAs);
  assert.equal(Object.keys(bindings).sort(), ['other', ...names].sort());
  if (operator === 'kubevirt') {
    const gates = minor <= LAST_GATED_MINOR ? ['Root', GATE] : ['Root'];
    assert.equal(cr.spec.configuration.developerConfiguration.featureGates, gates);
  }
  const files = readdirSync(directory);
  assert.is(files.includes('feature-gate.yaml'), operator === 'kubevirt' && minor <= LAST_GATED_MINOR);
  for (const file of files) requireVersion(readFileSync(join(directory, file), 'utf8'), minor, file);
}

/** Comments may name other versions only if they say what those have or lack. */
function requireVersion(text: string, minor: number, file: string): void {
  assert.not.match(text, 'THIS_FILE');
  for (const [words, other] of text.matchAll(/Up to KubeVirt 1\.(\d+)|KubeVirt 1\.(\d+) (?:and|or) newer/g))
    assert.unreachable(`${file} says "${words}" (${other}) for KubeVirt 1.${minor}`);
}

test('without objects there is no kustomization, and only patches to apply', () =>
  withDirectory(async (folder) => {
    const directory = join(folder, 'new');
    const args = ['--binding', 'tap', '--part', 'registration', '--output', directory];
    const { stdout } = await manifests(args);
    assert.equal(readdirSync(directory), ['tap-kubevirt-1.1.yaml']);
    assert.equal((await kubectlCallsOf(stdout)).length, 1);
  }));

test('if all parts are empty, says why and writes nothing', () =>
  withDirectory(async (folder) => {
    const args = ['--binding', 'slirp', '--part', 'nad', '--output', join(folder, 'new')];
    assert.equal(await manifests(args), {
      exitCode: 0,
      stdout: '',
      stderr: 'No NAD for slirp: it needs nothing on the nodes, so its registration names no NAD.\n',
    });
    assert.equal(readdirSync(folder), []);
  }));

const TAP = ['--binding', 'tap', '--output'];
const failed = (directory: string, reason: string) => ({
  exitCode: 2,
  stdout: '',
  stderr: `Cannot write manifests to "${directory}": ${reason}; name a new or an empty directory with --output\n`,
});

test('writes into an empty directory, and rejects one that is not empty, a file, and a missing parent', () =>
  withDirectory(async (folder) => {
    const [empty, full, file] = ['empty', 'full', 'file'].map((name) => join(folder, name));
    for (const directory of [empty, full]) mkdirSync(directory ?? '');
    writeFileSync(`${full}/.hidden`, '');
    writeFileSync(file ?? '', '');
    assert.is((await manifests([...TAP, empty ?? ''])).exitCode, 0);
    for (const [directory = '', reason] of [
      [empty, 'it is not empty'],
      [full, 'it is not empty'],
      [file, 'it is not a directory'],
      [`${file}/new`, 'a part of the path is not a directory'],
      [`${folder}/absent/new`, 'the directory above it does not exist'],
    ] as const) {
      assert.equal(await manifests([...TAP, directory]), failed(directory, reason));
    }
    assert.equal(readdirSync(full ?? ''), ['.hidden']);
    assert.equal(readdirSync(folder).sort(), ['empty', 'file', 'full']);
  }));

/** Mounts a file system for the program only, and lists the directory after it has ended. */
const mounted = (folder: string, mount: string) =>
  [
    ...['unshare', '--mount', '--propagation', 'private', 'sh', '-c'],
    `${mount}; status=0; "$@" || status=$?; ls -A ${folder} >&2; exit $status`,
    'sh',
  ] as const;

for (const [why, mount, directory, left, reason] of [
  ['read-only', 'mount -t tmpfs -o ro none', '', '', 'the file system is read-only'],
  ['in a read-only one', 'mount -t tmpfs -o ro none', '/new', '', 'the file system is read-only'],
  ['too small', 'mount -t tmpfs -o size=4k none', '', '', 'no space is left'],
  ['new in one that is too small', 'mount -t tmpfs -o size=4k none', '/new', '', 'no space is left'],
  ['too small by some files', 'mount -t tmpfs -o nr_inodes=4 none', '', '', 'no space is left'],
] as const) {
  test(`a directory that is ${why} is left empty`, () =>
    withDirectory(async (folder) => {
      const path = `${folder}${directory}`;
      const want = failed(path, reason);
      const got = await manifests([...TAP, path], mounted(folder, `${mount} ${folder}`));
      assert.equal(got, { ...want, stderr: `${want.stderr}${left}` });
    }));
}

test('rejects a directory that the user cannot write to', () =>
  withDirectory(async (folder) => {
    const under = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
    assert.equal(await manifests([...TAP, folder], under), failed(folder, 'permission denied'));
    assert.equal(readdirSync(folder), []);
  }));

test.run();
