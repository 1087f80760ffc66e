import { ServerCredentials } from '@grpc/grpc-js';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createHookServer } from '../../../sidecar/server.ts';

const create = suite('createHookServer()');

create('grpc-js writes nothing of its own', async () => {
  const server = createHookServer({
    defineDomain: () => Promise.reject(new Error('Unused')),
    onShutdown: () => {},
  });
  const written: unknown[] = [];
  const { error } = console;
  console.error = (...words) => written.push(words);
  try {
    const failure = await new Promise((resolve) => {
      server.bindAsync('unix:/nowhere/at/all', ServerCredentials.createInsecure(), resolve);
    });
    assert.instance(failure, Error);
  } finally {
    console.error = error;
  }
  assert.equal(written, []);
});

create.run();
