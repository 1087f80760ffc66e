import type { WiredLink, WiredRedirect, Wiring } from './wiring.ts';

/** Widths in columns, without borders: a link's box, the arrows between two links, an outer box. */
const LINK = 25;
const ARROWS = 18;
const OUTER = 2 * (LINK + 2) + ARROWS + 2;
/** Columns of the lines between boxes: into the pod link, and out of the tap. */
const POD_LINK_COLUMN = 8;
const TAP_COLUMN = OUTER - POD_LINK_COLUMN + 1;

/** Draws the path of a frame from the node's bridge to the VM's tap and back. Pure. */
export function drawWiring(wiring: Wiring): string {
  const { bridge, port, podLink, tap, fromPodLink, fromTap } = wiring;
  const node = box(OUTER, `node: netns ${wiring.node}`, [
    ` ${bridge.ifname}  ${bridge.addresses.join('  ')}`,
    ` │   DHCPv4, router advertisements, DHCPv6`,
    ` └─ ${port.ifname}  ${port.mac}  MTU ${port.mtu}`,
  ]);
  const rows = Math.max(...[podLink, tap].map((link) => describe(link).length));
  const left = box(LINK, '', padded(describe(podLink), rows));
  const right = box(LINK, '', padded(describe(tap), rows));
  const arrows = padded(
    ['', ...arrow(fromPodLink, tap.ifname, '▶'), '', ...arrow(fromTap, podLink.ifname, '◀')],
    rows + 2,
  );
  const pod = box(
    OUTER,
    `pod: netns ${wiring.pod}`,
    left.map((row, index) => ` ${row}${(arrows[index] ?? '').padEnd(ARROWS)}${right[index]}`),
  );

  join(node, pod, POD_LINK_COLUMN, '┬', '┴');
  pod[1] = put(pod[1], POD_LINK_COLUMN, '┴');
  pod[pod.length - 2] = put(pod.at(-2), TAP_COLUMN, '┬');
  pod[pod.length - 1] = put(pod.at(-1), TAP_COLUMN, '┼');
  const space = (column: number) => ' '.repeat(column);
  return [
    ...node,
    `${space(POD_LINK_COLUMN)}│ ${podLink.kind}`,
    ...pod,
    `${space(TAP_COLUMN)}│ file descriptor`,
    `${space(TAP_COLUMN - 6)}QEMU, the VM`,
  ].join('\n');
}

function join(above: string[], below: string[], column: number, out: string, into: string): void {
  above[above.length - 1] = put(above.at(-1), column, out);
  below[0] = put(below[0], column, into);
}

function describe({ ifname, kind, mac, mtu, addresses, owner }: WiredLink): string[] {
  const ownership = owner === null ? [] : [` uid:gid ${owner}`];
  return [
    ` ${ifname} (${kind})`,
    ` ${mac}`,
    ` MTU ${mtu}`,
    ...addresses.map((address) => ` ${address}`),
    ...ownership,
  ];
}

/** Draws a redirect in two rows: the classifier and action, and an arrow to its target. */
function arrow(redirect: WiredRedirect | null, to: string, head: '▶' | '◀'): string[] {
  if (redirect === null || redirect.to !== to) return [' no redirect', ''];
  const shaft = '─'.repeat(ARROWS - 3);
  return [` ${redirect.classifier}, mirred`, head === '▶' ? ` ${shaft}▶` : ` ◀${shaft}`];
}

/** Draws a box with its title in the upper right corner. */
function box(width: number, title: string, lines: readonly string[]): string[] {
  const top = (title === '' ? '' : ` ${title} ─`).padStart(width, '─');
  return [`┌${top}┐`, ...lines.map((text) => `│${text.padEnd(width)}│`), `└${'─'.repeat(width)}┘`];
}

const padded = (lines: readonly string[], rows: number) =>
  Array.from({ length: rows }, (_, index) => lines[index] ?? '');

const put = (text = '', column: number, character: string) =>
  text.slice(0, column) + character + text.slice(column + 1);
