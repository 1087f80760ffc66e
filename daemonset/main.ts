import './node-version.ts';
import { openSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { testKernel } from '../cni/kernel/self-test.ts';
import { rollbacks } from '../cni/plan/apply.ts';
import { readNodePolicy } from '../cni/policy/node-file.ts';
import tapwire from '../package.json' with { type: 'json' };
import { messageOf } from '../shared/errors.ts';
import { log } from '../shared/log.ts';
import { reasonOf } from '../shared/native/native.ts';
import { serveCall } from './calls/serve-call.ts';
import { listen, type Server } from './calls/server.ts';
import { serveHealth } from './health.ts';
import { holdHooks } from './hold-hooks.ts';
import { addScanMetrics, newMetrics } from './metrics.ts';
import { type Options, parseOptions, USAGE } from './options.ts';
import { startScanner } from './scan/scan.ts';
import { warmUp } from './warm-up.ts';

/** Threads that wait for the kernel, each for one pod. Node makes them when the first is needed. */
process.env['UV_THREADPOOL_SIZE'] = '32';

// An agent that had nothing to do for a while is to be as fast as before.
setFlagsFromString('--no-flush-bytecode');
// A burst of 200 calls leaves garbage, which V8 would rather collect when the heap has doubled: 25 MB less at the peak.
setFlagsFromString('--optimize-for-size');
setFlagsFromString('--semi-space-growth-factor=1');

async function run(options: Options): Promise<void> {
  const { socket, nodeFile, health } = options;
  const metrics = newMetrics();
  let server: Server | undefined;
  const test = async () => {
    await testKernel();
    server?.checkPlace();
  };
  const { server: pages, address } = await serveHealth(health, test, () => metrics.registry.metrics());
  pages.unref(); // an agent that cannot listen for callers ends, and is not healthy for ever
  await warm().catch((error) => {
    const advice = process.getuid?.() === 0 ? '' : '; run it as root';
    log('error', `Cannot wire pods on this node: ${reasonOf(error)}${advice}`);
  });
  rollbacks.subscribe(() => metrics.rollbacks.inc());
  const node = {
    own: openSync('/proc/self/ns/net', 'r'),
    readNodePolicy: () => readNodePolicy(nodeFile),
    metrics,
  };
  server = listen(socket, (call, signal) => serveCall(call, signal, node), metrics);
  const { netnsDir: directory, scanSeconds: seconds } = options;
  const scanner = seconds === 0 ? null : startScanner({ directory, seconds, own: node.own });
  if (scanner !== null) addScanMetrics(metrics, scanner.last);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, async () => {
      log('info', `Got ${signal}: finishing what is in flight`);
      await Promise.all([server?.close(), scanner?.stop()]);
      pages.close();
      pages.closeAllConnections();
      log('info', 'Agent is done');
    });
  }
  // Whoever reads this may send a signal.
  log('info', `Agent is listening at ${socket}`, {
    version: tapwire.version,
    health: `${address.address}:${address.port}`,
  });
}

async function warm(): Promise<void> {
  await holdHooks();
  await warmUp();
}

let isUnderstood = false;
try {
  const options = parseOptions(process.argv.slice(2));
  isUnderstood = true;
  if (options === 'help') process.stdout.write(USAGE);
  else if (options === 'version') process.stdout.write(`${tapwire.version}\n`);
  else await run(options);
} catch (error) {
  log('error', messageOf(error));
  process.exitCode = isUnderstood ? 1 : 2;
}
