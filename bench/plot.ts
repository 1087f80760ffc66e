import { type Bar, drawPanel, type Look, ROW } from './panel.ts';
import {
  AGENT,
  ALONE,
  BRIDGE,
  MACVTAP,
  MACVTAP_MASTER,
  type Machine,
  ofPeer,
  type Results,
} from './results.ts';
import type { Spread } from './statistics.ts';

const WIDTH = 880;
const MARGIN = 28;
const COLUMNS = { ADD: 224, DEL: 552 } as const;
const COLUMN = 300;
const HEADER = 112;
const GROUP = 40;
const FOOTER = 72;

/** Titles of peers whose names do not explain themselves. */
const TITLES: Readonly<Record<string, string>> = {
  [AGENT]: 'Tapwire',
  [ALONE]: 'Tapwire, no agent',
  [MACVTAP]: 'Tapwire macvtap',
  [MACVTAP_MASTER]: 'Tapwire macvtap, no kubelet',
  ...Object.fromEntries(['bridge', 'macvlan', 'tap', 'ptp', 'loopback'].map((name) => [name, `Go ${name}`])),
};

/** A group of rows. Each row has the two bars of one peer. */
interface Group {
  readonly title: string;
  readonly rows: readonly { readonly peer: string; readonly add: Spread; readonly del: Spread }[];
}

/**
 * Draws the chart of README: ADD and DEL of every peer, one by one and many at once. Readable on
 * light and dark backgrounds. Pure.
 */
export function drawResults(results: Results): string {
  const groups = toGroups(results);
  const height = HEADER + groups.reduce((sum, { rows }) => sum + GROUP + rows.length * ROW, 0) + FOOTER;
  const parts: string[] = [];
  let y = HEADER;
  for (const group of groups) {
    parts.push(drawGroup(group, y));
    y += GROUP + group.rows.length * ROW;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${ariaLabel(groups)}">
<style>${STYLE}</style>
<rect class="card" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="10"/>
${text('title', MARGIN, 42, 'How long a pod waits for its network plugin')}
${text('note', MARGIN, 66, 'Time from start to exit of one call. Shorter is better; × is the ratio to Go’s bridge in the same run.')}
${text('head', COLUMNS.ADD, HEADER - 6, 'ADD')}
${text('head', COLUMNS.DEL, HEADER - 6, 'DEL')}
${parts.join('\n')}
${text('note', MARGIN, height - 40, describeMethod(groups))}
${text('note', MARGIN, height - 20, describeMachine(results.machine))}
</svg>
`;
}

function toGroups({ calls = [], atOnce = [] }: Results): readonly Group[] {
  const oneByOne = calls.map(({ peer, add, del }) => ({ peer, add: add.wall, del: del.wall }));
  const most = Math.max(...atOnce.map((burst) => burst.calls));
  const together = atOnce
    .filter((burst) => burst.calls === most)
    .map(({ peer, add, del }) => ({ peer, add: add.wall, del: del.wall }));
  return [
    { title: 'One pod', rows: oneByOne },
    { title: `${most} pods at once, in total`, rows: together },
  ].filter(({ rows }) => rows.length > 0);
}

function drawGroup({ title, rows }: Group, y: number): string {
  const top = y + GROUP;
  const base = ofPeer(rows, BRIDGE);
  const bars = (command: 'add' | 'del'): readonly Bar[] =>
    rows.map((row) => ({ value: row[command], base: base?.[command], look: toLook(row.peer) }));
  const labels = rows.map(({ peer }, row) =>
    text(peer === AGENT ? 'peer ours-text' : 'peer', MARGIN, top + row * ROW + ROW / 2 + 4.5, titleOf(peer)),
  );
  return [
    `<path class="rule" d="M${MARGIN} ${y + 6}H${WIDTH - MARGIN}"/>`,
    text('group', MARGIN, y + 29, title),
    ...labels,
    drawPanel(bars('add'), { x: COLUMNS.ADD, y: top, width: COLUMN }),
    drawPanel(bars('del'), { x: COLUMNS.DEL, y: top, width: COLUMN }),
  ].join('\n');
}

function toLook(peer: string): Look {
  const looks: Readonly<Record<string, Look>> = {
    ...{ [AGENT]: 'ours', [MACVTAP]: 'ours', [MACVTAP_MASTER]: 'ours', [ALONE]: 'alone', [BRIDGE]: 'base' },
  };
  return looks[peer] ?? 'other';
}

const titleOf = (peer: string): string => TITLES[peer] ?? peer;

function describeMethod(groups: readonly Group[]): string {
  const [calls = 0, bursts = 0] = groups.map(({ rows }) => rows[0]?.add.n);
  const repeats = bursts === 0 ? '' : ` and ${bursts} bursts`;
  return `Medians of ${calls} interleaved calls${repeats}, lines to the 90th percentile. ptp with addresses of host-local, the others without addresses.`;
}

function describeMachine({ cpus, cpu, kernel, node, plugins }: Machine): string {
  const linux = kernel.split('.').slice(0, 2).join('.');
  return `${cpus} × ${cpu}, Linux ${linux}, Node ${node}, Debian’s containernetworking-plugins ${plugins.replaceAll(/[+-][^,]*/g, '')}.`;
}

const ariaLabel = (groups: readonly Group[]): string =>
  escapeXml(
    groups
      .flatMap(({ title, rows }) =>
        rows.map(
          ({ peer, add, del }) => `${title}, ${titleOf(peer)}: ADD ${add.median} ms, DEL ${del.median} ms`,
        ),
      )
      .join('; '),
  );

const text = (look: string, x: number, y: number, words: string): string =>
  `<text class="${look}" x="${x}" y="${y}">${escapeXml(words)}</text>`;

const escapeXml = (words: string): string =>
  words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');

/**
 * The chart has its own background, because the page around it may be dark when the reader's system
 * is light, or the reverse.
 */
const STYLE = `
text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:#1f2933}
.card{fill:#ffffff;stroke:#d8dee6}.title{font-size:20px;font-weight:650}.note{font-size:12px;fill:#5f6c7b}
.head{font-weight:650;letter-spacing:.06em;fill:#5f6c7b}.group{font-weight:650}.number{font-weight:600}.ratio{font-weight:400;fill:#5f6c7b}
.axis,.rule{stroke:#d8dee6;fill:none}.gap{stroke:#ffffff;stroke-width:3;fill:none}.whisker{fill:none;stroke-width:1.5}
.ours{fill:#0d9488}.alone{fill:#8ccfc8}.base{fill:#64748b}.other{fill:#b4bfcc}.ours-text{font-weight:650;fill:#0b7a70}
.ours-line{stroke:#0d9488}.alone-line{stroke:#8ccfc8}.base-line{stroke:#64748b}.other-line{stroke:#b4bfcc}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.card{fill:#0f161e;stroke:#2b3642}.note,.head,.ratio{fill:#93a1b0}
.axis,.rule{stroke:#2b3642}.gap{stroke:#0f161e}.ours{fill:#2dd4bf}.alone{fill:#1f6f67}.base{fill:#8b9bb0}.other{fill:#4d5a69}.ours-text{fill:#2dd4bf}
.ours-line{stroke:#2dd4bf}.alone-line{stroke:#1f6f67}.base-line{stroke:#8b9bb0}.other-line{stroke:#4d5a69}}
`;
