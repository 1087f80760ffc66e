/**
 * Silence: nftables rules that drop everything the pod's own stack sends on the links of an
 * attachment. Without them, the kernel sends with the VM's MAC while no VM runs (duplicate address
 * detection, MLD, router solicitations, ARP). On the target of a live migration, that moves the MAC
 * in every switch before the guest has arrived. A guest's frames do not pass these hooks.
 *
 * Each attachment has its own tables. DEL finds them by name, even if nothing else is left.
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

/** Kernel options that silence needs. */
export const SILENCE_OPTIONS = 'CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET and CONFIG_NF_TABLES_ARP';

const PREFIX = 'tapwire-';
const CHAIN = 'output';
/**
 * The priority of "raw", which is before most chains of other programs. A later chain cannot accept
 * a packet that is dropped here.
 */
const PRIORITY = -300;

/** The name of an attachment's tables, one in each family. */
export const silenceTable = (key: AttachmentKey): string => `${PREFIX}${cookieHash(key).slice(0, 16)}`;

/** Finds the tables whose names start like those of Tapwire. */
export const silenceTables = ({ tables }: Tables): readonly Table[] =>
  tables.filter(({ name }) => name.startsWith(PREFIX));

/** Encodes the requests of one batch, which adds or replaces the tables of an attachment. Pure. */
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

/**
 * Encodes the requests of one batch, which deletes the tables of an attachment. Adds each table
 * first, so that a missing table is not an error. Pure.
 */
export const silenceDeletion = (table: string): readonly Request[] => [
  ...tablesOf(table).map(tableAddition),
  ...tablesOf(table).map(tableDeletion),
];

const tablesOf = (name: string): readonly Table[] => FAMILIES.map((family) => ({ family, name }));

/** Counters of what the rules have dropped. */
export interface Dropped {
  readonly packets: number;
  /** Includes the link-layer header for ARP, but not for IP. */
  readonly bytes: number;
}

/** The state of an attachment's silence. */
export interface Silence {
  /** Why the kernel did not list its tables; null: it listed them. */
  readonly refusal: string | null;
  /** Whether one of the attachment's tables exists. */
  readonly hasTables: boolean;
  /** What the rules have dropped; null: at least one rule is missing. */
  readonly dropped: Dropped | null;
}

/**
 * Adds up what the rules of these tables have dropped on these links; null if a rule is missing.
 * Pure.
 */
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

/** Whether a rule has exactly these expressions, except for counters. */
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

/** Finds the existing tables of an attachment: one per family, unless one was deleted. Pure. */
export function ownTables(key: AttachmentKey, { tables }: Tables): readonly Table[] {
  const own = silenceTable(key);
  return tables.filter(({ name }) => name === own);
}
