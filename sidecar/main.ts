/**
 * The hook sidecar. Runs next to virt-launcher in the VM's pod, with uid 107 and without
 * capabilities.
 *
 * Environment: NETWORK_BINDING_PLUGIN_NAME (KubeVirt >= 1.9), CONTAINER_NAME (>= 1.6),
 * TAPWIRE_HOOK_DIR, and the variables that docs/bindings.md explains.
 */
import './memory.ts';
import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import tapwire from '../package.json' with { type: 'json' };
import { BindingError, messageOf } from '../shared/errors.ts';
import { log, logBy } from '../shared/log.ts';
import { stderrLines } from '../shared/stderr.ts';
import { defineDomain } from './define-domain.ts';
import { Guests } from './guests.ts';
import { createHookServer } from './hooks/server.ts';
import { hookSocketPath, publish, withdraw } from './hooks/socket.ts';
import { observePod } from './pod/observe.ts';
import { prepareCloudInit } from './prepare-cloud-init.ts';
import { vmiFileIn } from './services/vmi-file.ts';
import { readSettings } from './settings.ts';
import { printedFor } from './usage.ts';

/** Time in ms after which virt-launcher gets the socket, even if the guests are not served yet. */
const SERVE_TIMEOUT = 2_000;

const stop = Promise.withResolvers<string>();
// `on`, not `once`: a second signal must not kill the process while it stops.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.resolve(signal));

async function run(): Promise<void> {
  const settings = readSettings(process.env);
  const { hookDirectory, container, domainHookSocket, bindings } = settings;
  const socket = domainHookSocket ?? hookSocketPath(hookDirectory, container);
  const guests = new Guests(vmiFileIn(dirname(socket)));
  const areServed = await guests.areServed();
  const server = createHookServer({
    defineDomain: async (params) => {
      const defined = await defineDomain(params, settings, observePod);
      for (const warning of defined.warnings) log('warn', warning);
      await guests.learn(params.vmi);
      return defined;
    },
    announcesCloudInit: areServed,
    async addCloudInit(params) {
      const prepared = await prepareCloudInit(params, (options) => guests.interfacesOf(options));
      for (const warning of prepared.warnings) log('warn', warning);
      return prepared;
    },
    onShutdown: () => stop.resolve('Shutdown'),
  });
  // Before virt-launcher sees the socket: afterwards, it waits for the reply to Info only for 1 s.
  if (areServed) await Promise.race([guests.serve(), sleep(SERVE_TIMEOUT)]);
  try {
    // Creates the directory of a Plugin's socket, because it is a directory inside the volume. The
    // hook directory is itself a volume: if it is missing, virt-launcher would not find the socket.
    if (domainHookSocket !== null && !existsSync(dirname(socket))) mkdirSync(dirname(socket));
    await publish(server, socket);
  } catch (cause) {
    const reason = `Cannot serve hooks in ${JSON.stringify(dirname(socket))}: ${messageOf(cause)}`;
    throw new BindingError('IO_FAILURE', reason, { cause });
  }
  log('info', 'Serving hooks', { socket, version: tapwire.version, bindings });
  const reason = await stop.promise;
  await withdraw(server, socket);
  log('info', 'Stopped', { reason });
}

logBy(stderrLines());
let exitCode = 0;
try {
  const text = printedFor(process.argv.slice(2), tapwire.version);
  if (text === null) await run();
  else process.stdout.write(text);
} catch (error) {
  log('error', messageOf(error));
  exitCode = 1;
}
// Exits explicitly: a client that has stopped reading would keep its socket, and so the process and
// the pod, alive forever.
process.exit(exitCode);
