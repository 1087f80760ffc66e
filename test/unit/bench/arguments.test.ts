import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FULL_ROUNDS, isFullRun, parseArguments, SECTIONS, USAGE } from '../../../bench/arguments.ts';

const test = suite('the arguments of the benchmark');

test('no arguments select a full run', () => {
  const args = parseArguments([]);
  assert.equal(args, { sections: SECTIONS, rounds: FULL_ROUNDS, peers: [], help: false });
  assert.ok(isFullRun(args));
});

test('arguments that measure less, or something else, do not count as a full run', () => {
  for (const argv of [
    ['--only', 'calls'],
    ['--rounds', '5'],
    ['--peer', 'tap=/opt/cni/bin/tap', '--peer-conf', 'tap.json'],
  ]) {
    assert.not.ok(isFullRun(parseArguments(argv)), argv.join(' '));
  }
});

test('peers get their configurations in order', () => {
  const argv = [
    '--peer',
    'tap=/a/tap',
    '--peer',
    'tap-2=/b/tap',
    '--peer-conf',
    '1.json',
    '--peer-conf',
    '2.json',
  ];
  assert.equal(parseArguments(argv).peers, [
    { name: 'tap', program: '/a/tap', conf: '1.json' },
    { name: 'tap-2', program: '/b/tap', conf: '2.json' },
  ]);
});

test('errors name the invalid argument', () => {
  for (const [argv, message] of [
    [['--only', 'everything'], `--only: want one of ${SECTIONS.join(', ')}, got "everything"`],
    [['--rounds', '0'], '--rounds: want a number in 1..9999, got "0"'],
    [['--peer', 'tap=/a/tap'], '--peer and --peer-conf: want the same number of both'],
    [
      ['--peer', '../tap', '--peer-conf', 'x'],
      '--peer: want NAME=/path/to/plugin with a lower-case name, got "../tap"',
    ],
    [
      ['--peer', 'bridge=/a/bridge', '--peer-conf', 'x'],
      '--peer: the name "bridge" is taken; choose another name',
    ],
  ] as const) {
    assert.throws(() => parseArguments(argv), message);
  }
});

test('the usage names every section', () => {
  for (const section of SECTIONS) assert.match(USAGE, new RegExp(`^ +${section} +\\w`, 'm'));
});

test.run();
