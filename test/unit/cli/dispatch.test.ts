import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Command, NewDirectory } from '../../../cli/command.ts';
import { check } from '../../../cli/commands/check.ts';
import { manifests } from '../../../cli/commands/manifests.ts';
import { dispatch } from '../../../cli/dispatch.ts';
import { BindingError } from '../../../shared/errors.ts';

const test = suite('dispatch()');

const HOST = { read: () => 'apiVersion: kubevirt.io/v1\nkind: KubeVirt\n' };
const written: NewDirectory[] = [];
const write = (directory: NewDirectory): void => {
  if (directory.path === 'full') throw new BindingError('IO_FAILURE', 'Cannot write "full": no');
  written.push(directory);
};
const ran: (readonly string[])[] = [];
const command = (name: string, run: Command['run']): Command => ({
  name,
  summary: `sums up ${name}`,
  help: `helps ${name}\n`,
  run,
});
const COMMANDS: readonly Command[] = [
  command('works', (args) => {
    ran.push(args);
    return { stdout: 'out\n', exitCode: 1 };
  }),
  command('refuses', () => {
    throw new BindingError('INVALID_CONFIG', 'Cannot do it: no');
  }),
  command('writes', ([path = '']) => {
    return { stdout: 'out\n', exitCode: 0, directory: { path, files: new Map([['file', 'text']]) } };
  }),
  command('quotes', ([name = '']) => {
    if (name === '\x9b') throw new BindingError('INVALID_CONFIG', `Cannot do "${name}": no`);
    return { stdout: '\x1b[1mout\x1b[0m\n', stderr: `${name}\n`, exitCode: 0 };
  }),
  command('breaks', async () => {
    throw new TypeError('a bug');
  }),
];
const run = (...args: readonly string[]) => dispatch(COMMANDS, '1.2.3', args, HOST, write);

test('passes the arguments after the name to a command, and returns its outcome', async () => {
  ran.length = 0;
  assert.equal(await run('works', 'a', '--b'), { stdout: 'out\n', stderr: '', exitCode: 1 });
  assert.equal(ran, [['a', '--b']]);
});

test('prints a BindingError to stderr, with status 2', async () => {
  assert.equal(await run('refuses'), { stdout: '', stderr: 'Cannot do it: no\n', exitCode: 2 });
});

test('escapes what stderr quotes, and leaves the colours of stdout', async () => {
  assert.equal(await run('quotes', '\x1b[2J'), {
    stdout: '\x1b[1mout\x1b[0m\n',
    stderr: '\\u001b[2J\n',
    exitCode: 0,
  });
  const { stderr } = await run('quotes', '\x9b');
  assert.is(stderr, 'Cannot do "\\u009b": no\n');
});

test('writes the directory of a command, and prints nothing if that fails', async () => {
  assert.equal(await run('writes', 'empty'), { stdout: 'out\n', stderr: '', exitCode: 0 });
  assert.equal(written, [{ path: 'empty', files: new Map([['file', 'text']]) }]);
  assert.equal(await run('writes', 'full'), {
    stdout: '',
    stderr: 'Cannot write "full": no\n',
    exitCode: 2,
  });
});

test('rethrows other errors', async () => {
  const error = await run('breaks').catch((cause) => cause);
  assert.instance(error, TypeError);
});

for (const args of [[], ['--help'], ['-h'], ['help']]) {
  test(`${args.join(' ') || 'no arguments'}: lists every command with its summary`, async () => {
    const { stdout, exitCode } = await run(...args);
    for (const { name, summary } of COMMANDS)
      assert.match(stdout, new RegExp(`^  ${name} +${summary}$`, 'm'));
    assert.is(exitCode, 0);
  });
}

test('--version prints the version', async () => {
  assert.equal(await run('--version'), { stdout: '1.2.3\n', stderr: '', exitCode: 0 });
});

test('rejects an unknown command', async () => {
  const stderr = 'Cannot run "tapwire": there is no command "work"; see "tapwire --help"\n';
  assert.equal(await run('work', '--help'), { stdout: '', stderr, exitCode: 2 });
});

test('--help takes precedence over other arguments; after -- it is an operand', async () => {
  ran.length = 0;
  assert.is((await run('refuses', '--nonsense', '--help')).stdout, 'helps refuses\n');
  assert.is((await run('refuses', '-h')).stdout, 'helps refuses\n');
  await run('works', '--', '--help');
  await run('works', '--', '-h');
  assert.equal(ran, [
    ['--', '--help'],
    ['--', '-h'],
  ]);
});

/** Whether a command's parser knows an option. */
async function isTaken(one: Command, option: string): Promise<boolean> {
  const { stderr } = await dispatch([one], '', [one.name, option], HOST, write);
  return !stderr.includes('Unknown option');
}

for (const one of [manifests, check]) {
  test(`${one.name}: its help lists existing options`, async () => {
    const options = [...one.help.matchAll(/^ {2}(--[a-z-]+)/gm)].map(([, option = '']) => option);
    assert.ok(options.includes('--kubevirt') && options.includes('--help'));
    for (const option of options) assert.ok(await isTaken(one, option), option);
    assert.not.ok(await isTaken(one, '--nonsense'));
  });

  test(`${one.name}: its help has working examples, and names the next step`, async () => {
    assert.match(one.help, /^Next: /m);
    const examples = [...one.help.matchAll(/^ {2}(?:.* \| )?tapwire (\S+) (.*?)(?: [|>].*)?$/gm)];
    assert.ok(examples.length >= 3);
    for (const [, name, args = ''] of examples) {
      assert.is(name, one.name);
      assert.is(
        (await dispatch([one], '', [one.name, ...args.split(' ')], HOST, write)).stderr.includes('Cannot'),
        false,
        args,
      );
    }
  });

  test(`the help of ${one.name} fits a terminal of 120 columns`, () => {
    assert.equal(
      one.help.split('\n').filter((line) => line.length > 120),
      [],
    );
  });
}

test.run();
