/**
 * Silence: rules of nftables that drop everything the pod's own stack sends on the links of an attachment. Without them the
 * kernel itself sends with the VM's MAC while no VM runs (duplicate address detection, MLD, router solicitations, ARP), which on the
 * target of a live migration moves that MAC in every switch before the guest is there. A guest's frames do not pass these hooks.
 *
 * Each attachment has tables of its own, so that DEL finds them by name, whatever else is left.
 */

import type { Request } from '../../../shared/netlink/message.ts';
import { chainAddition } from '../../../shared/nftables/chain.ts';
import { COUNTER, DROP, type Expression, leavesBy } from '../../../shared/nftables/expression.ts';
import { FAMILIES } from '../../../shared/nftables/message.ts';
import { type Rule, ruleAddition } from '../../../shared/nftables/rule.ts';
import { type Table, type Tables, tableAddition, tableDeletion } from '../../../shared/nftables/table.ts';
import type { AttachmentKey } from '../../../shared/record.ts';
import { cookieHash } from '../../plan/cookie.ts';
import type { Op } from '../../plan/op.ts';
import type { Nftables } from '../../plan/seen.ts';

/** What a kernel needs for it. */
export const SILENCE_OPTIONS = 'CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET and CONFIG_NF_TABLES_ARP';

const PREFIX = 'tapwire-';
const CHAIN = 'output';
/** As of "raw": before chains of others, so that nothing they do lets a packet pass. */
const PRIORITY = -300;

/** The name of an attachment's tables, one in each family. */
export const silenceTable = (key: AttachmentKey): string => `${PREFIX}${cookieHash(key).slice(0, 16)}`;

/** The tables that look like ours. */
export const silenceTables = ({ tables }: Tables): readonly Table[] =>
  tables.filter(({ name }) => name.startsWith(PREFIX));

/** The requests of one batch. Pure. */
export function silenceAddition({
  table,
  links,
  replaces,
}: Omit<Extract<Op, { op: 'addSilence' }>, 'op'>): readonly Request[] {
  const earlier = replaces ? silenceDeletion(table) : [];
  return [...earlier, ...tablesOf(table).flatMap((one) => oneAddition(one, links))];
}

const oneAddition = (table: Table, links: readonly string[]): readonly Request[] => [
  tableAddition(table),
  chainAddition({ table, name: CHAIN, hook: 'output', priority: PRIORITY }),
  ...links.map((link) =>
    ruleAddition({ table, chain: CHAIN, expressions: [...leavesBy(link), COUNTER, DROP] }),
  ),
];

/** The requests of one batch, which the kernel does not refuse if a table is gone: each is added first. Pure. */
export const silenceDeletion = (table: string): readonly Request[] => [
  ...tablesOf(table).map(tableAddition),
  ...tablesOf(table).map(tableDeletion),
];

const tablesOf = (name: string): readonly Table[] => FAMILIES.map((family) => ({ family, name }));

/** What the rules have dropped. */
export interface Dropped {
  readonly packets: number;
  /** Without link-layer headers. */
  readonly bytes: number;
}

/** What was seen of an attachment's silence. */
export interface Silence {
  /** Why the kernel does not tell its rules; null: it does. */
  readonly refusal: string | null;
  /** Whether one of the attachment's tables exists. */
  readonly hasTables: boolean;
  /** What the rules have dropped; null: not all of them exist. */
  readonly dropped: Dropped | null;
}

/** What the rules of these tables have dropped on these links; null if one of the rules is missing. Pure. */
export function findSilence(name: string, links: readonly string[], { rules }: Nftables): Dropped | null {
  const dropped = { packets: 0, bytes: 0 };
  const wanted = links.map((link) => [...leavesBy(link), DROP]);
  for (const family of FAMILIES) {
    const own = rules.filter(
      ({ table, chain }) => table.family === family && table.name === name && chain === CHAIN,
    );
    for (const expressions of wanted) {
      const rule = own.find((one) => isAll(expressions, one));
      if (rule === undefined) return null;
      for (const expression of rule.expressions) {
        if (expression.is !== 'counter') continue;
        dropped.packets += expression.packets;
        dropped.bytes += expression.bytes;
      }
    }
  }
  return dropped;
}

/** Whether these expressions are all that a rule has, but for counters. */
function isAll(wanted: readonly Expression[], { expressions }: Rule): boolean {
  const deciding = expressions.filter(({ is }) => is !== 'counter');
  return (
    deciding.length === wanted.length && deciding.every((expression, i) => isSame(expression, wanted[i]))
  );
}

function isSame(one: Expression, other: Expression | undefined): boolean {
  if (one.is === 'cmp') return other?.is === 'cmp' && Buffer.compare(one.equal, other.equal) === 0;
  return one.is === other?.is && one.is !== 'other';
}

/** The tables of an attachment that exist: of both families, if nobody has deleted one. Pure. */
export function ownTables(key: AttachmentKey, { tables }: Tables): readonly Table[] {
  const own = silenceTable(key);
  return tables.filter(({ name }) => name === own);
}
