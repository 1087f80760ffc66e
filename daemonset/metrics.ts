import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import tapwire from '../package.json' with { type: 'json' };
import type { DeviceCount } from './device-plugin/device-plugin.ts';
import { countOf, countServed, countUnreadable, countUnserved, type Scan } from './scan/findings.ts';
import { MESSAGES } from './scan/guest-counts.ts';
import type { Scanner } from './scan/scan.ts';

/** The agent's Prometheus metrics. */
export interface Metrics {
  readonly registry: Registry;
  readonly requests: Counter<'command' | 'code'>;
  readonly duration: Histogram<'command'>;
  /**
   * Plain counters that the gauges read at scrape time: setting a gauge takes longer than a kernel
   * request.
   */
  readonly now: { inFlight: number; heldDescriptors: number };
  readonly rollbacks: Counter;
  readonly turnedAway: Counter<'reason'>;
  readonly allocations: Counter<'resource'>;
  readonly repairedNodes: Counter;
  readonly droppedLines: Counter;
}

/**
 * Bucket limits in seconds. An idle node needs 1 to 2 ms for a request, a loaded one tens of ms.
 */
const BUCKETS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20];

/**
 * Adds the metrics of the scans. The gauges have no value if there was no scan, or the last one
 * failed.
 */
export function addScanMetrics(
  { registry }: Metrics,
  { last, messages }: Pick<Scanner, 'last' | 'messages'>,
): void {
  const registers = [registry];
  new Gauge({
    name: 'tapwire_conflicting_filters',
    help: 'Foreign filters and programs on wired links that keep frames from guests (deadly) or may do so (unknown).',
    labelNames: ['verdict'],
    registers,
    collect() {
      this.reset();
      const scan = last();
      for (const verdict of scan === null ? [] : (['deadly', 'unknown'] as const))
        this.set({ verdict }, countOf(scan ?? new Map(), verdict));
    },
  });
  const gauge = (name: string, help: string, countIn: (scan: Scan) => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        const scan = last();
        if (scan === null) this.remove();
        else this.set(countIn(scan));
      },
    });
  gauge(
    'tapwire_unreadable_netns',
    'Network namespaces of pods that have more links or filters than a scan reads.',
    countUnreadable,
  );
  gauge('tapwire_served_guests', 'Guests that a sidecar serves, of NADs with guest services.', countServed);
  gauge('tapwire_unserved_guests', 'Running guests of such NADs that no sidecar serves.', countUnserved);
  new Counter({
    name: 'tapwire_guest_messages_total',
    help: 'Messages between guests and the sidecars that serve them, by protocol and result.',
    labelNames: ['protocol', 'result'],
    registers,
    collect() {
      this.reset();
      const totals = messages();
      for (const [i, [protocol, result]] of MESSAGES.entries())
        this.inc({ protocol, result }, totals[i] ?? 0);
    },
  });
}

/** Adds the metric of the threads that have waited for the kernel for too long. */
export function addThreadMetric({ registry }: Metrics, overdue: () => number): void {
  new Gauge({
    name: 'tapwire_overdue_threads',
    help: 'Threads that have waited for the kernel for longer than any wait should take.',
    registers: [registry],
    collect() {
      this.set(overdue());
    },
  });
}

/** Adds the metric of the devices that are offered to kubelet. */
export function addDeviceMetrics({ registry }: Metrics, counts: () => readonly DeviceCount[]): void {
  new Gauge({
    name: 'tapwire_devices',
    help: 'Devices of a macvtap resource that the agent offers to kubelet, by health.',
    labelNames: ['resource', 'health'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { resource, healthy, unhealthy } of counts()) {
        this.set({ resource, health: 'healthy' }, healthy);
        this.set({ resource, health: 'unhealthy' }, unhealthy);
      }
    },
  });
}

/**
 * Registers all metrics but those of threads, scans and devices: first the gauges, which read `now`
 * and the versions, then the counters and the histogram.
 */
export function newMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const build = new Gauge({
    name: 'tapwire_build_info',
    help: 'Constant 1, labelled with the versions of the agent and of Node.js.',
    labelNames: ['version', 'node'],
    registers,
  });
  build.set({ version: tapwire.version, node: process.version }, 1);
  const now = { inFlight: 0, heldDescriptors: 0 };
  new Gauge({
    name: 'tapwire_cni_requests_in_flight',
    help: 'CNI requests that are being served.',
    registers,
    collect() {
      this.set(now.inFlight);
    },
  });
  new Gauge({
    name: 'tapwire_cni_held_descriptors',
    help: 'Open descriptors of network namespaces that clients passed; each can keep a deleted netns alive.',
    registers,
    collect() {
      this.set(now.heldDescriptors);
    },
  });
  return {
    registry,
    requests: new Counter({
      name: 'tapwire_cni_requests_total',
      help: 'CNI requests replied to, by command and CNI error code; 0 is success.',
      labelNames: ['command', 'code'],
      registers,
    }),
    duration: new Histogram({
      name: 'tapwire_cni_request_duration_seconds',
      help: 'Time from a complete CNI request to its reply, in seconds.',
      labelNames: ['command'],
      buckets: BUCKETS,
      registers,
    }),
    now,
    rollbacks: new Counter({
      name: 'tapwire_cni_rollbacks_total',
      help: 'ADDs that failed part-way and were rolled back.',
      registers,
    }),
    turnedAway: new Counter({
      name: 'tapwire_cni_callers_turned_away_total',
      help: 'Clients that got no reply, by reason.',
      labelNames: ['reason'],
      registers,
    }),
    allocations: new Counter({
      name: 'tapwire_device_allocations_total',
      help: 'Devices of a macvtap resource that kubelet has allocated.',
      labelNames: ['resource'],
      registers,
    }),
    droppedLines: new Counter({
      name: 'tapwire_log_lines_dropped_total',
      help: 'Lines of the log that were dropped, because nobody read stderr.',
      registers,
    }),
    repairedNodes: new Counter({
      name: 'tapwire_device_nodes_repaired_total',
      help: 'Device nodes of macvtaps that ADD had to make itself.',
      registers,
    }),
  };
}
