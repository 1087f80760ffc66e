import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { check } from '../../../../cli/commands/check.ts';
import { files } from '../../../../nad/generate/files.ts';
import { caught } from '../../../helpers/caught.ts';
import { kubevirt, nad, vm } from '../../../helpers/cluster/check.ts';

const test = suite('tapwire check');

const run = (texts: Readonly<Record<string, string>>, ...args: readonly string[]) =>
  check.run(args, { read: (path) => String(texts[path]) });

const MIGRATION = kubevirt({ tapwire: { domainAttachmentType: 'tap', migration: { method: 'x' } } });
const DROPPED = 'KubeVirt 1.1 silently drops the field "migration": it came with 1.2; remove it';
const METHOD =
  'migration.method "x" is unknown to KubeVirt, which ignores it; want "link-refresh", or remove it';

test('prints one line for each finding, and a summary on stderr', async () => {
  assert.equal(await run({ 'a.yaml': MIGRATION, '-': vm() }, '--kubevirt', '1.1', 'a.yaml', '-'), {
    stdout: `a.yaml:8: error: binding "tapwire": ${DROPPED}\na.yaml:8: warning: binding "tapwire": ${METHOD}\n`,
    stderr: '2 objects checked, 0 of other kinds skipped: 1 error, 1 warning\n',
    exitCode: 1,
  });
});

const NOT_CHECKED =
  'Not checked: registration of binding "tapwire"; the input has no KubeVirt or HyperConverged CR\n';

const notFound = (networks: string, nads: string) => `Not checked: ${networks}: ${nads} not in the input\n`;

test('counts advice separately, and exits with 0', async () => {
  const [name, network] = ['red', { multus: { networkName: 'lan' } }];
  const text = vm({ interfaces: [{ name, binding: { name: 'tapwire' } }], networks: [{ name, ...network }] });
  const { stdout, ...rest } = await run({ f: text }, 'f');
  assert.match(stdout, /^f:8: advice: .*use binding "tapwire-secondary", which rejects such a network\n$/);
  const counts = '0 errors, 0 warnings, 1 piece of advice';
  const summary = `1 object checked, 0 of other kinds skipped: ${counts}\n`;
  const lan = notFound('network "vms/lan"', 'its NetworkAttachmentDefinition is');
  assert.equal(rest, { stderr: `${NOT_CHECKED}${lan}${summary}`, exitCode: 0 });
});

test('exits with 0 if there are only warnings', async () => {
  const { stdout, exitCode } = await run({ f: MIGRATION }, 'f');
  assert.equal([stdout, exitCode], [`f:8: warning: binding "tapwire": ${METHOD}\n`, 0]);
});

test('prints nothing to stdout without findings', async () => {
  assert.equal(await run({ f: 'apiVersion: v1\nkind: Pod\n', g: vm() }, 'f', 'g'), {
    stdout: '',
    stderr: `${NOT_CHECKED}1 object checked, 1 of other kinds skipped: 0 errors, 0 warnings\n`,
    exitCode: 0,
  });
});

test('says that bindings were not looked up only if no file says what is registered', async () => {
  for (const cr of [kubevirt({ tapwire: {} }), kubevirt({ tapwire: {} }, '')]) {
    const { stderr = '' } = await run({ f: vm() + cr }, 'f');
    assert.not.match(stderr, 'Not checked');
  }
  const { stderr = '' } = await run({ f: vm() }, '--json', 'f');
  assert.is(stderr, NOT_CHECKED);
  const bridge = vm({ interfaces: [{ name: 'default', bridge: {} }] });
  const { stderr: plain = '' } = await run({ f: bridge }, 'f');
  assert.not.match(plain, 'Not checked');
});

test('says which networks it did not check, because no file has their NADs', async () => {
  const on = (...networkNames: readonly string[]) =>
    vm({
      interfaces: networkNames.map((_, i) => ({ name: `n${i}`, bridge: {} })),
      networks: networkNames.map((networkName, i) => ({ name: `n${i}`, multus: { networkName } })),
    });
  const stderrOf = async (text: string) => (await run({ f: text }, '--json', 'f')).stderr;
  const lna = notFound('network "vms/lna"', 'its NetworkAttachmentDefinition is');
  assert.is(await stderrOf(on('lna') + nad('other', {}, 'vms')), lna);
  assert.is(await stderrOf(on('lna', 'vms/lna')), lna);
  const both = notFound('networks "vms/lna", "infra/wan"', 'their NetworkAttachmentDefinitions are');
  assert.is(await stderrOf(on('lna', 'infra/wan')), both);
  assert.is(await stderrOf(on('other') + nad('other', {}, 'vms')), '');
});

test('--json prints findings and counts as JSON', async () => {
  const { stdout, stderr, exitCode } = await run({ f: MIGRATION }, '--json', 'f');
  assert.equal(JSON.parse(stdout), {
    findings: [{ file: 'f', line: 8, severity: 'warning', message: `binding "tapwire": ${METHOD}` }],
    checked: 1,
    skipped: 0,
  });
  assert.equal([stderr, exitCode], ['', 0]);
});

test('warns of a KubeVirt version that it does not know, given or in a CR', async () => {
  const known = 'is treated like 1.9, because the newest version that this tapwire knows is 1.9';
  const { stderr = '' } = await run({ f: vm() }, '--kubevirt', '1.12', 'f');
  const hint =
    '; if 1.12 is the version of the HyperConverged operator, it manages KubeVirt 1.2: write --kubevirt 1.2';
  assert.is(stderr.split('\n')[0], `Warning: KubeVirt 1.12 ${known}${hint}`);
  const text = `${kubevirt({})}status: {observedKubeVirtVersion: v1.10.0}\n`;
  const { stderr: observed } = await run({ f: text }, '--json', 'f');
  assert.is(observed, `Warning: KubeVirt 1.10 ${known}\n`);
});

test('reads a file once that is named twice', async () => {
  const { stdout } = await run({ f: MIGRATION }, 'f', 'f');
  assert.is(stdout.split('\n').length, 2);
});

test('--kubevirt 1.2 rejects the files for 1.3', async () => {
  const text = files().get('passt/kubevirt-1.3.yaml') ?? '';
  assert.is((await run({ f: text }, '--kubevirt', '1.3', 'f')).exitCode, 0);
  const { stdout, exitCode } = await run({ f: text }, '--kubevirt', '1.2', 'f');
  assert.match(stdout, 'drops the field "computeResourceOverhead"');
  assert.is(exitCode, 1);
});

test('without --kubevirt, uses the version in the status of a KubeVirt CR', async () => {
  const observed = `${MIGRATION}status: {observedKubeVirtVersion: v1.1.1}\n`;
  const [old, newest] = [
    await run({ f: observed }, 'f'),
    await run({ f: observed }, '--kubevirt', '1.9', 'f'),
  ];
  assert.match(old.stdout, DROPPED);
  assert.equal([old.exitCode, newest.exitCode], [1, 0]);
});

test('fails if there is nothing to check', async () => {
  const pod = 'apiVersion: v1\nkind: Pod\n';
  for (const [texts, args, subject] of [
    [
      { '-': '' },
      ['-'],
      '"-": it contains no NetworkAttachmentDefinition, registration or VM; check the input',
    ],
    [
      { '-': '' },
      ['--json', '-'],
      '"-": it contains no NetworkAttachmentDefinition, registration or VM; check the input',
    ],
    [
      { a: pod, b: '' },
      ['a', 'b'],
      '"a", "b": they contain no NetworkAttachmentDefinition, registration or VM; check the input',
    ],
  ] as const) {
    assert.is((await caught(() => run(texts, ...args))).message, `Cannot check ${subject}`);
  }
  assert.is((await run({ f: '{' }, 'f')).exitCode, 1, 'a syntax error is reported instead');
});

for (const [why, args, message] of [
  [
    'no files',
    [],
    'Cannot run "tapwire check": want the files to check, or "-" for stdin; see "tapwire check --help"',
  ],
  [
    'another version',
    ['--kubevirt', 'x', 'f'],
    'Cannot read --kubevirt "x": want 1.1.1 or a newer version, such as "1.9"',
  ],
] as const) {
  test(`rejects ${why}`, async () => {
    assert.is((await caught(() => run({ f: '' }, ...args))).message, message);
  });
}

test.run();
