/**
 * The hook sidecar: runs beside virt-launcher in the VM's pod, as uid 107 without capabilities.
 *
 * Environment: NETWORK_BINDING_PLUGIN_NAME (KubeVirt >= 1.9), CONTAINER_NAME (>= 1.6), TAPWIRE_HOOK_DIR, and the image's own
 * variables, which docs/bindings.md explains.
 */
import './memory.ts';
import tapwire from '../package.json' with { type: 'json' };
import { messageOf } from '../shared/errors.ts';
import { log } from '../shared/log.ts';
import { defineDomain } from './define-domain.ts';
import { publish, withdraw } from './hook-socket.ts';
import { observePod } from './observe.ts';
import { createHookServer } from './server.ts';
import { readSettings } from './settings.ts';

const settings = readSettings(process.env);
const { hookDirectory, container, bindings } = settings;

const stop = Promise.withResolvers<string>();
// `on`, not `once`: a second signal must not kill a stop that is under way.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.resolve(signal));

const server = createHookServer({
  defineDomain: async (params) => {
    const defined = await defineDomain(params, settings, observePod);
    for (const warning of defined.warnings) log('warn', warning);
    return defined;
  },
  onShutdown: () => stop.resolve('Shutdown'),
});

let exitCode = 0;
try {
  const socket = await publish(server, hookDirectory, container);
  log('info', 'Serving hooks', { socket, version: tapwire.version, bindings });
  const reason = await stop.promise;
  await withdraw(server, socket);
  log('info', 'Stopped', { reason });
} catch (error) {
  log('error', `Cannot serve hooks in ${JSON.stringify(hookDirectory)}: ${messageOf(error)}`);
  exitCode = 1;
}
// Not left to the event loop: a client that reads nothing any more would keep its socket, us and the pod alive for ever.
process.exit(exitCode);
