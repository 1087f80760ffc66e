import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  countOf,
  countServed,
  countUnreadable,
  countUnserved,
  type PodConflict,
  remember,
  reportOf,
  type Scan,
  type ScannedNetns,
} from '../../../../daemonset/scan/findings.ts';
import type { ScannedGuest } from '../../../../daemonset/scan/guest-counts.ts';

const test = suite('findings of a scan');

const U32: PodConflict = {
  container: 'c1',
  ifname: 'net1',
  link: 'eth0',
  what: 'a u32 filter at pref 10',
  verdict: 'deadly',
  removal: 'tc filter del dev eth0 ingress pref 10',
};
const TCX: PodConflict = { ...U32, what: 'the TCX program 12 "count"', verdict: 'unknown' };
const looked = (...findings: readonly PodConflict[]): ScannedNetns => ({
  findings,
  guests: [],
  isReadable: true,
});
const UNREADABLE: ScannedNetns = { findings: [], guests: [], isReadable: false };
const scan = (pods: Readonly<Record<string, ScannedNetns>>): Scan => new Map(Object.entries(pods));
const lines = (before: Scan, now: Scan) =>
  reportOf(before, now).map(({ level, message }) => [level, message]);

const NONE = scan({});
const BOTH = scan({ a: looked(U32), b: looked(TCX) });

test('reportOf() reports a new finding with its pod and a remedy', () => {
  assert.equal(reportOf(NONE, BOTH), [
    {
      level: 'error',
      message:
        '"eth0" has a u32 filter at pref 10 that takes its frames: the guest receives none; in the pod\'s netns, run: ' +
        'tc filter del dev eth0 ingress pref 10',
      fields: { netns: 'a', container: 'c1', ifname: 'net1' },
    },
    {
      level: 'warn',
      message:
        '"eth0" has the TCX program 12 "count", which may keep frames from the guest; if the guest receives none, remove it',
      fields: { netns: 'b', container: 'c1', ifname: 'net1' },
    },
  ]);
});

test('reportOf() does not repeat a finding, and reports its end', () => {
  assert.equal(lines(BOTH, BOTH), []);
  assert.equal(lines(BOTH, scan({ a: looked(), b: looked(TCX) })), [
    ['info', '"eth0" no longer has a u32 filter at pref 10'],
  ]);
});

test('reportOf() treats the end of a pod as the end of its findings', () => {
  assert.equal(lines(BOTH, scan({ b: looked(TCX) })), [
    ['info', '"eth0" no longer has a u32 filter at pref 10'],
  ]);
});

test('reportOf() distinguishes the same filter in two pods', () => {
  assert.is(lines(scan({ a: looked(U32) }), scan({ a: looked(U32), b: looked(U32) })).length, 1);
});

test('a pod that cannot be read keeps its findings, and is named once', () => {
  const first = remember(BOTH, scan({ a: UNREADABLE, b: looked(TCX) }));
  assert.equal(lines(BOTH, first), [
    [
      'warn',
      'Cannot look for conflicting filters in netns "a": it has more links or filters than a scan reads, or than the kernel can list; run tapwire inspect for it',
    ],
  ]);
  assert.equal([countOf(first, 'deadly'), countOf(first, 'unknown'), countUnreadable(first)], [1, 1, 1]);
  const second = remember(first, scan({ a: UNREADABLE, b: looked(TCX) }));
  assert.equal(lines(first, second), []);
  const third = remember(second, scan({ a: looked(U32), b: looked(TCX) }));
  assert.equal([lines(second, third), countUnreadable(third)], [[], 0]);
});

test('remember() forgets pods that have ended', () => {
  assert.equal([...remember(BOTH, scan({ b: looked() })).keys()], ['b']);
});

test('one scan writes a bounded number of lines', () => {
  const pods = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`pod${i}`, looked(U32)]));
  const report = reportOf(NONE, scan(pods));
  assert.is(report.length, 21);
  assert.is(
    report.at(-1)?.message,
    'Found 280 more changes in pods; run tapwire inspect to list all filters and programs',
  );
});

const SERVED: ScannedGuest = { container: 'c1', ifname: 'net1', tap: 'tap0', isRunning: true, counts: [0] };
const UNSERVED: ScannedGuest = { ...SERVED, counts: null };
const UNSTARTED: ScannedGuest = { ...UNSERVED, isRunning: false };
const pod = (...guests: readonly ScannedGuest[]): Scan =>
  scan({ a: { findings: [], guests, isReadable: true } });

test('reportOf() names a guest that runs without a sidecar once, and says when it has one', () => {
  const unserved = {
    level: 'warn',
    message:
      'No sidecar serves the guest of "tap0", so that it gets no address; see the log of the pod\'s sidecar',
    fields: { netns: 'a', container: 'c1', ifname: 'net1' },
  };
  assert.equal(reportOf(NONE, pod(UNSERVED)), [unserved]);
  assert.equal(reportOf(pod(SERVED), pod(UNSERVED)), [unserved]);
  assert.equal(lines(pod(UNSERVED), pod(UNSERVED)), []);
  assert.equal(reportOf(pod(UNSERVED), pod(SERVED)), [
    { ...unserved, level: 'info', message: 'A sidecar serves the guest of "tap0"' },
  ]);
  for (const now of [pod(UNSTARTED), pod(), NONE]) assert.equal(lines(pod(UNSERVED), now), []);
  for (const quiet of [pod(SERVED), pod(UNSTARTED)]) assert.equal(lines(NONE, quiet), []);
  const other = { ...UNSERVED, tap: 'tap1' };
  assert.is(lines(pod(UNSERVED), pod(UNSERVED, other)).length, 1);
});

test('guests count as served if a sidecar says so, and as unserved only while they run', () => {
  const counts = (now: Scan) => [countServed(now), countUnserved(now)];
  assert.equal(counts(pod(SERVED, { ...SERVED, isRunning: false }, UNSERVED, UNSTARTED)), [2, 1]);
  assert.equal(counts(NONE), [0, 0]);
});

test('a pod that cannot be read keeps its guests', () => {
  const kept = remember(pod(UNSERVED), scan({ a: UNREADABLE }));
  assert.is(countUnserved(kept), 1);
  assert.is(countUnserved(remember(pod(UNSERVED), pod())), 0);
});

test.run();
