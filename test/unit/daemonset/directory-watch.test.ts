import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DirectoryWatch } from '../../../daemonset/directory-watch.ts';
import { HANG } from '../../helpers/hang.ts';

const test = suite('DirectoryWatch');

interface Watched {
  readonly root: string;
  readonly path: string;
  /** Makes a change, and waits until it is reported. */
  changes(act: () => void): Promise<void>;
  readonly reports: () => number;
}

/** Watches this path in a temporary directory. */
async function watching(name: string, act: (watched: Watched) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'tapwire-watch-'));
  const path = join(root, name);
  let reports = 0;
  const watch = new DirectoryWatch(path, () => {
    reports += 1;
  });
  const reported = async (count: number) => {
    const deadline = performance.now() + HANG;
    while (reports < count) {
      assert.ok(performance.now() < deadline, `${count} reports`);
      await sleep(5);
    }
  };
  try {
    await reported(1); // at the start
    await act({
      root,
      path,
      reports: () => reports,
      async changes(change) {
        // Earlier changes may have made more than one report.
        await settled(() => reports);
        const before = reports;
        change();
        await reported(before + 1);
      },
    });
  } finally {
    watch.close();
    rmSync(root, { recursive: true });
  }
}

/** Waits until a number no longer grows. */
async function settled(count: () => number): Promise<void> {
  for (let before = -1; before !== count(); ) {
    before = count();
    await sleep(200);
  }
}

test('reports created, changed, replaced and deleted files', () =>
  watching('.', async ({ root, changes }) => {
    const file = join(root, 'a');
    await changes(() => writeFileSync(file, '1'));
    await changes(() => writeFileSync(file, '2'));
    await changes(() => {
      writeFileSync(`${file}.new`, '3');
      renameSync(`${file}.new`, file);
    });
    await changes(() => rmSync(file));
  }));

test('reports many changes at once as few', () =>
  watching('.', async ({ root, changes, reports }) => {
    const before = reports();
    await changes(() => {
      for (let i = 0; i < 1000; i++) writeFileSync(join(root, `${i}`), '');
    });
    await settled(reports);
    assert.ok(reports() - before < 50, `${reports() - before} reports`);
  }));

test('waits for a directory that does not exist, and for those above it', () =>
  watching('a/b/c', async ({ path, changes }) => {
    await changes(() => mkdirSync(path, { recursive: true }));
    await changes(() => writeFileSync(join(path, 'file'), ''));
  }));

test('follows a directory that is deleted and created again', () =>
  watching('a/b', async ({ root, path, changes }) => {
    for (let i = 0; i < 3; i++) {
      await changes(() => mkdirSync(path, { recursive: true }));
      await changes(() => writeFileSync(join(path, 'file'), ''));
      await changes(() => rmSync(join(root, 'a'), { recursive: true }));
    }
    await changes(() => mkdirSync(path, { recursive: true }));
    await changes(() => {
      rmSync(path, { recursive: true });
      mkdirSync(path);
    });
    await changes(() => writeFileSync(join(path, 'file'), ''));
    await changes(() => {
      renameSync(path, join(root, 'moved'));
      mkdirSync(path);
    });
    await changes(() => writeFileSync(join(path, 'file'), ''));
  }));

test('follows a symbolic link to a directory', () =>
  watching('link', async ({ root, path, changes }) => {
    mkdirSync(join(root, 'target'));
    await changes(() => symlinkSync(join(root, 'target'), path));
    await changes(() => writeFileSync(join(root, 'target/file'), ''));
  }));

test('reports nothing after it was closed', async () => {
  const root = mkdtempSync(join(tmpdir(), 'tapwire-watch-'));
  let reports = 0;
  const watch = new DirectoryWatch(root, () => {
    reports += 1;
  });
  writeFileSync(join(root, 'file'), '');
  watch.close();
  await sleep(200);
  assert.is(reports, 0);
  rmSync(root, { recursive: true });
});

test.run();
