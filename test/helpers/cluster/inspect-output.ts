/** Brings what `tapwire inspect` prints into the form that the pages show. */
import * as assert from 'uvu/assert';
import type { Inspection, TapAttachment } from '../../../cli/inspect/inspection.ts';
import type { TestNetns } from '../pod/netns.ts';
import { CONTAINER_ID, POD } from '../pod/wired-pod.ts';

/** The first attachment of the binding tap. */
export function tapIn({ attachments }: Pick<Inspection, 'attachments'>): TapAttachment {
  const tap = attachments.find((one) => one.binding === 'tap');
  assert.ok(tap !== undefined, 'there is a tap');
  return tap;
}

/** The pod on the pages. */
export const SHOWN_POD = 'vms/virt-launcher-vm1-abcde';
const SHOWN_ID = '3f1c0a7be5d94c2e8a6b7f0d1e2c3b4a5968778695a4b3c2d1e0f9a8b7c6d5e4';

/**
 * Replaces parts that differ between runs by those on the page. They have the same length, so that
 * drawings fit.
 */
export const settled = ({ name }: TestNetns, text: string): string =>
  text
    .replaceAll(name, 'cni-6f0e1d2c3b4a')
    .replaceAll(CONTAINER_ID, SHOWN_ID)
    .replaceAll(POD, SHOWN_POD)
    .replace(/\(pid \d+\)/g, '(pid 4711)')
    .replace(/:\d+(?=\s+ok)/g, ':4711')
    // IPv6 reports its multicast groups after a random time.
    .replace(/\d+ packets?( of the pod's own stack)/g, '3 packets$1')
    .replace(/("silence": \{\s+"packets": )\d+(,\s+"bytes": )\d+/g, '$13$2228');

/** What an arrow says if frames have passed: how many is a matter of chance in most tests. */
const SOME = '12 frames, 1.0 kB';
const NONE = '0 frames, 0 B';

/** Lines under the boxes that say nothing about a missing network. */
const LEFT_OUT = /^ {2}(container|binding|silence|sysctl) /;

/**
 * Leaves out lines that do not matter for a missing network, and replaces counters that are not 0.
 */
export function withoutChance(netns: TestNetns, text: string): string {
  const rows = settled(netns, text)
    .split('\n')
    .filter((line) => !LEFT_OUT.test(line))
    .map((line) => DRAWN.exec(line) ?? line);
  const labels = rows.map((row) => (typeof row === 'string' ? '' : labelOf(row[2] ?? '')));
  const width = Math.max(...labels.map(({ length }) => length)) + 2;
  const lines = rows.map((row, i) =>
    typeof row === 'string' ? row : `${row[1]} ${middle(row[2] ?? '', labels[i] ?? '', width)} ${row[3]}`,
  );
  return `${lines.join('\n').trimEnd()}\n`;
}

/** A row of the drawing: the left box, what is between the boxes, and the right box. */
const DRAWN = /^(│[^│]*│|┌[^┐]*┐|└[^┘]*┘) (.*) (│.*│|┌.*┐|└.*┘)$/;

function labelOf(between: string): string {
  if (/[▶◀]/.test(between)) return '';
  return between.trim().replace(/^(\d+) frames?, .*/, (_, count) => (count === '0' ? NONE : SOME));
}

function middle(between: string, label: string, width: number): string {
  const shaft = '─'.repeat(width - 1);
  if (between.includes('▶')) return `${shaft}▶`;
  if (between.includes('◀')) return `◀${shaft}`;
  return ` ${label.padEnd(width - 1)}`;
}
