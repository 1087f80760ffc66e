import './node-version.ts';
import { openSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { repairedNodes } from '../cni/kernel/device-node.ts';
import { testKernel } from '../cni/kernel/self-test.ts';
import { rollbacks } from '../cni/plan/apply.ts';
import { readNodePolicy } from '../cni/policy/node-file.ts';
import tapwire from '../package.json' with { type: 'json' };
import { BindingError, messageOf } from '../shared/errors.ts';
import { log, logBy } from '../shared/log.ts';
import { reasonOf } from '../shared/native/native.ts';
import { writeStderr } from '../shared/stderr.ts';
import { serveCall } from './calls/serve-call.ts';
import { Server } from './calls/server.ts';
import { startDevices } from './devices.ts';
import { serveHealth } from './health/health.ts';
import { overdueThreads, serveLiveness } from './health/liveness.ts';
import { holdHooks } from './hold-hooks.ts';
import { liveSocketOf } from './live-socket.ts';
import { LogQueue } from './log-queue.ts';
import { addDeviceMetrics, addScanMetrics, addThreadMetric, newMetrics } from './metrics.ts';
import { type Options, parseOptions, USAGE } from './options.ts';
import { startScanner } from './scan/scan.ts';
import { warmUp } from './warm-up.ts';

/**
 * Threads that wait for the kernel, one for each pod. Node.js starts them when it first needs one.
 */
process.env['UV_THREADPOOL_SIZE'] = '32';

// Keeps compiled code while the agent is idle, so that the next call is as fast.
setFlagsFromString('--no-flush-bytecode');
// By default V8 lets the heap double before it collects; after a burst of 200 calls these flags
// save 25 MB.
setFlagsFromString('--optimize-for-size');
setFlagsFromString('--semi-space-growth-factor=1');

async function run(options: Options): Promise<void> {
  const { socket, nodeFile, health } = options;
  const metrics = newMetrics();
  const lines = new LogQueue(writeStderr, () => metrics.droppedLines.inc());
  logBy((line) => lines.add(line));
  process.on('exit', () => lines.end());
  addThreadMetric(metrics, overdueThreads);
  let server: Server | undefined;
  const test = async () => {
    await testKernel();
    if (server === undefined)
      throw new BindingError('TRY_AGAIN', `Cannot serve clients at "${socket}" yet: the agent is starting`);
    server.requireSocket();
  };
  const healthServer = await serveHealth(health, test, () => metrics.registry.metrics());
  await warm().catch((error) => {
    const advice = process.getuid?.() === 0 ? '' : '; run it as root';
    log('error', `Cannot wire pods on this node: ${reasonOf(error)}${advice}`);
  });
  rollbacks.subscribe(() => metrics.rollbacks.inc());
  repairedNodes.subscribe(() => metrics.repairedNodes.inc());
  const context = {
    hostNetns: openSync('/proc/self/ns/net', 'r'),
    readNodePolicy: () => readNodePolicy(nodeFile),
    deviceDirectory: options.deviceDirectory,
    metrics,
  };
  server = new Server(socket, (call, signal) => serveCall(call, signal, context), metrics);
  const liveness = serveLiveness(liveSocketOf(socket));
  const { netnsDir: directory, scanSeconds: seconds } = options;
  const scanner = seconds === 0 ? null : startScanner({ directory, seconds, hostNetns: context.hostNetns });
  if (scanner !== null) addScanMetrics(metrics, scanner);
  const devices = await startDevices({
    nodeFile,
    readResources: () => readNodePolicy(nodeFile).macvtap,
    onAllocate: (resource, count) => metrics.allocations.inc({ resource }, count),
  });
  addDeviceMetrics(metrics, devices.counts);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, async () => {
      log('info', `Got ${signal}: finishing the calls in flight`);
      await Promise.all([server?.close(), scanner?.stop(), devices.stop()]);
      healthServer.close();
      liveness.close();
      log('info', 'Agent is done');
    });
  }
  // Logged last: a reader may send SIGTERM as soon as it sees this line.
  log('info', `Agent is listening at ${socket}`, {
    version: tapwire.version,
    health: healthServer.address,
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
