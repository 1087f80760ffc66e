import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const generated = suite('generated messages');

const ROOT = resolve(import.meta.dirname, '../../../..');

generated('are what `npm run protobuf` generates from the .proto files', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'tapwire-protobuf-'));
  try {
    const run = execa({ cwd: ROOT, preferLocal: true, env: { BUF_CACHE_DIR: `${directory}/cache` } });
    await run('buf', ['generate', 'shared/grpc', '--template', 'shared/grpc/buf.gen.yaml', '-o', directory]);
    const fresh = readFileSync(`${directory}/shared/grpc/hooks_pb.ts`, 'utf8');
    assert.is(readFileSync(`${ROOT}/shared/grpc/hooks_pb.ts`, 'utf8'), fresh);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

generated.run();
