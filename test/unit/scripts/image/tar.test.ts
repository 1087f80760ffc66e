import { execaSync } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Entry, tar } from '../../../../scripts/image/tar.ts';

const test = suite('tar()');

/** Path with names of 60 bytes, of `count` names. */
const pathOf = (count: number): string => Array.from({ length: count }, () => 'n'.repeat(60)).join('/');

const file = (path: string, content: Uint8Array, isProgram = false): Entry => ({
  path,
  kind: 'file',
  content,
  isProgram,
});

/** Lines of tar(1): mode, owner, size, date, time, name. */
const listed = (archive: Buffer): string[] =>
  execaSync('tar', '--list --verbose --numeric-owner --utc --full-time'.split(' '), {
    input: archive,
  }).stdout.split('\n');

test('writes files, programs, links and directories that belong to root, are dated 1970 and only root can write', async () => {
  const archive = await tar([
    { path: 'app', kind: 'directory' },
    file('app/text', Buffer.from('one\n')),
    file('app/empty', Buffer.alloc(0)),
    file('app/program', Buffer.alloc(513, 1), true),
    { path: 'app/link', kind: 'link', target: '../lib/libc.so.6' },
  ]);
  assert.equal(
    listed(archive).map((line) => line.replace(/ +/g, ' ')),
    [
      'drwxr-xr-x 0/0 0 1970-01-01 00:00:00 app/',
      '-rw-r--r-- 0/0 4 1970-01-01 00:00:00 app/text',
      '-rw-r--r-- 0/0 0 1970-01-01 00:00:00 app/empty',
      '-rwxr-xr-x 0/0 513 1970-01-01 00:00:00 app/program',
      'lrwxrwxrwx 0/0 0 1970-01-01 00:00:00 app/link -> ../lib/libc.so.6',
    ],
  );
  assert.is(archive.length % 512, 0);
});

test('gives the same bytes for the same entries, at any time', async () => {
  const entries: Entry[] = [
    { path: pathOf(4), kind: 'directory' },
    file('a', Buffer.from('one'), true),
    { path: 'b', kind: 'link', target: pathOf(3) },
  ];
  const one = await tar(entries);
  await new Promise((resolve) => setTimeout(resolve, 1100)); // a second: archives count time in seconds
  assert.ok(one.equals(await tar(entries)));
});

for (const [why, path] of [
  ['100 bytes', `${'a'.repeat(49)}/${'b'.repeat(50)}`],
  ['101 bytes', `${'a'.repeat(50)}/${'b'.repeat(50)}`],
  ['a name of 101 bytes', 'a'.repeat(101)],
  ['a directory and a name of 101 bytes', `${'a'.repeat(101)}/${'b'.repeat(101)}`],
  ['300 bytes', pathOf(5)],
  ['letters that are not ASCII', `${'ä'.repeat(60)}/ö`],
] as const) {
  test(`stores a path of ${why}, for files, directories and links' targets`, async () => {
    const content = Buffer.from(`content of ${path}`);
    const archive = await tar([
      file(path, content),
      { path: `d/${path}`, kind: 'directory' },
      { path: 'link', kind: 'link', target: path },
      { path: `link-${path}`, kind: 'link', target: path },
    ]);
    const names = execaSync('tar', ['--list', '--quoting-style=literal'], { input: archive }).stdout;
    assert.equal(names.split('\n'), [path, `d/${path}/`, 'link', `link-${path}`]);
    const lines = execaSync('tar', ['--list', '--verbose', '--quoting-style=literal'], { input: archive });
    assert.equal(
      lines.stdout.split('\n').map((line) => line.split(' -> ')[1]),
      [undefined, undefined, path, path],
    );
    const extracted = execaSync('tar', ['--extract', '--to-stdout', path], { input: archive });
    assert.is(extracted.stdout, `content of ${path}`);
  });
}

test.run();
