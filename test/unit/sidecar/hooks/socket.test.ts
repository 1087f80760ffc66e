import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createGrpcServer } from '../../../../sidecar/hooks/grpc-server.ts';
import { createHookServer } from '../../../../sidecar/hooks/server.ts';
import { hookSocketPath, publish, withdraw } from '../../../../sidecar/hooks/socket.ts';
import { callInfo } from '../../../helpers/sidecar/hook-api.ts';

const unused = {
  defineDomain: () => Promise.reject(new Error('Unused')),
  announcesCloudInit: false,
  onShutdown: () => {},
};

async function withDirectory(act: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'tapwire-hooks-'));
  try {
    await act(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const messageOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'nothing went wrong',
    (error: Error) => error.message,
  );

const put = suite('publish()');

put('a server that does not reply to Info is never visible', () =>
  withDirectory(async (directory) => {
    const server = createGrpcServer(new Map());
    const message = await messageOf(publish(server, join(directory, 'tapwire.sock')));
    await server.stop(0);
    assert.match(message, /^Info failed with 12$/);
    assert.equal(readdirSync(directory), []);
  }),
);

put('other files of the directory stay', () =>
  withDirectory(async (directory) => {
    mkdirSync(join(directory, 'userdata'));
    const server = createHookServer(unused);
    try {
      const socket = hookSocketPath(directory, 'hook-sidecar-0');
      await publish(server, socket);
      assert.equal(readdirSync(directory).sort(), [basename(socket), 'userdata']);
      assert.is((await callInfo(socket))['name'], 'tapwire');
      await withdraw(server, socket);
      assert.equal(readdirSync(directory), ['userdata']);
    } finally {
      await server.stop(0);
    }
  }),
);

put.run();

const take = suite('withdraw()');

take('a socket that was removed already is not an error', () =>
  withDirectory(async (directory) => {
    const server = createHookServer(unused);
    const socket = hookSocketPath(directory, 'tapwire');
    await publish(server, socket);
    rmSync(directory, { recursive: true });
    await withdraw(server, socket);
  }),
);

take.run();
