import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { logBy } from '../../../../shared/log.ts';
import { createHookServer, type Hooks } from '../../../../sidecar/hooks/server.ts';
import { hookSocketPath, publish, withdraw } from '../../../../sidecar/hooks/socket.ts';
import { recordedCloudInit } from '../../../helpers/sidecar/cloud-init.ts';
import { callBack, callInfo } from '../../../helpers/sidecar/hook-api.ts';

const test = suite('createHookServer()');

const HOOKS: Hooks = {
  defineDomain: () => Promise.reject(new Error('Unused')),
  announcesCloudInit: true,
  onShutdown: () => {},
};
const recorded = recordedCloudInit();

/** Serves these hooks to `act`, and returns what was logged. */
async function logged(hooks: Hooks, act: (socket: string) => Promise<void>): Promise<readonly string[]> {
  const lines: string[] = [];
  const directory = mkdtempSync(join(tmpdir(), 'tapwire-hooks-'));
  const server = createHookServer(hooks);
  const socket = hookSocketPath(directory, 'tapwire');
  logBy((line) => lines.push(line));
  try {
    await publish(server, socket);
    await act(socket);
    await withdraw(server, socket);
  } finally {
    await server.stop(0);
    logBy((line) => process.stderr.write(line));
    rmSync(directory, { recursive: true, force: true });
  }
  return lines;
}

const prepared = async (socket: string) => {
  const result = await callBack(socket, 'v1alpha3', 'PreCloudInitIso', recorded);
  return ['cloudInitNoCloudSource', 'cloudInitData'].map((name) => Buffer.from(result[name] as Uint8Array));
};

for (const announcesCloudInit of [false, true]) {
  test(`createHookServer() ${announcesCloudInit ? 'announces' : 'does not announce'} PreCloudInitIso`, async () => {
    await logged({ ...HOOKS, announcesCloudInit }, async (socket) => {
      const points = (await callInfo(socket))['hookPoints'] as { name: string }[];
      assert.is(
        points.some(({ name }) => name === 'PreCloudInitIso'),
        announcesCloudInit,
      );
    });
  });
}

test('createHookServer() returns both sources byte for byte without a function for them', async () => {
  const lines = await logged(HOOKS, async (socket) => {
    assert.equal(await prepared(socket), [recorded.cloudInitNoCloudSource, recorded.cloudInitData]);
  });
  assert.equal(lines, []);
});

test('createHookServer() returns both sources byte for byte if nothing was added', async () => {
  const addCloudInit: Hooks['addCloudInit'] = async ({ cloudInitData }) => ({
    cloudInitData,
    interfaces: [],
    warnings: [],
  });
  const lines = await logged({ ...HOOKS, addCloudInit }, async (socket) => {
    assert.equal(await prepared(socket), [recorded.cloudInitNoCloudSource, recorded.cloudInitData]);
  });
  assert.equal(lines, []);
});

test('createHookServer() returns the changed data, and logs the interfaces and nothing of the data', async () => {
  const changed = Buffer.from('{"NetworkData":"S3CRET"}');
  const addCloudInit: Hooks['addCloudInit'] = async ({ vmi }) => {
    assert.is(Buffer.compare(Buffer.from(vmi), recorded.vmi), 0);
    return { cloudInitData: changed, interfaces: ['lan'], warnings: [] };
  };
  const lines = await logged({ ...HOOKS, addCloudInit }, async (socket) => {
    assert.equal(await prepared(socket), [recorded.cloudInitNoCloudSource, changed]);
  });
  const { time: _, ...line } = JSON.parse(lines.join());
  const message = 'Added a cloud-init network config';
  assert.equal(line, { level: 'info', message, version: 'v1alpha3', interfaces: ['lan'] });
});

test.run();
