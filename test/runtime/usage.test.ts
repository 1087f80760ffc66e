/** The built programs describe themselves to a person who runs them by hand. */
import { resolve } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import tapwire from '../../package.json' with { type: 'json' };
import { NODE } from '../helpers/agent/agent.ts';

const test = suite('--help and --version');

const DIST = resolve(import.meta.dirname, '../../dist');

async function run(program: string, ...args: readonly string[]) {
  const words = [`${DIST}/${program}/index.js`, ...args];
  const { exitCode, stdout, stderr } = await execa(NODE, words, { reject: false, env: {}, extendEnv: false });
  return { exitCode, stdout, stderr };
}

for (const [program, name] of [
  ['agent', 'tapwire-agent'],
  ['install', 'tapwire-install'],
  ['sidecar', 'tapwire-sidecar'],
  ['tapwire', 'tapwire'],
] as const) {
  test(`${name} prints both to stdout and does nothing else`, async () => {
    assert.equal(await run(program, '--version'), { exitCode: 0, stdout: tapwire.version, stderr: '' });
    const { exitCode, stdout, stderr } = await run(program, '--help');
    assert.equal([exitCode, stderr], [0, '']);
    assert.ok(stdout.startsWith(`Usage: ${name} `), stdout);
    assert.equal(await run(program, '-h'), { exitCode, stdout, stderr });
    for (const word of ['--help', '--version', 'tatus: 0 ']) assert.ok(stdout.includes(word), word);
  });
}

for (const program of ['agent', 'install']) {
  test(`${program} exits with 2 for an unknown option and prints one line that names the help`, async () => {
    const { exitCode, stdout, stderr } = await run(program, '--nonsense');
    assert.equal([exitCode, stdout], [2, '']);
    const message = "Cannot read the options: Unknown option '--nonsense'; see --help";
    const { time: _, ...line } = JSON.parse(stderr);
    assert.equal(line, { level: 'error', message });
  });
}

test.run();
