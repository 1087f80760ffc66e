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
import type { Rule } from '../../../shared/nftables/rule.ts';
import { ruleAddition } from '../../../shared/nftables/rule.ts';
import { type Table, type Tables, tableAddition, tableDeletion } from '../../../shared/nftables/table.ts';
import type { AttachmentKey } from '../../../shared/record.ts';
import { cookieHash } from '../../plan/cookie.ts';
import type { Op } from '../../plan/op.ts';
import type { Nftables } from '../../plan/seen.ts';
import { type Counted, countRules, sumOf } from './count-rules.ts';
import { type Served, silenceRules } from './silence-rules.ts';

/** Kernel options that silence needs. */
export const SILENCE_OPTIONS = 'CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET and CONFIG_NF_TABLES_ARP';

/** Families of what the pod's own stack sends and receives. */
export const SILENCED = ['inet', 'arp'] as const;
const HOOKS = ['input', 'forward', 'output'] as const;

const PREFIX = 'tapwire-';
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
  table: name,
  podLink,
  tap,
  served,
  replaces,
}: Omit<Extract<Op, { op: 'addSilence' }>, 'op'>): readonly Request[] {
  const rules = silenceRules(podLink, tap, served);
  const additions = tablesOf(name).flatMap((table) => {
    const { family } = table;
    return [
      tableAddition(table),
      ...HOOKS.flatMap((hook) => {
        const ofChain = rules[family][hook] ?? [];
        if (ofChain.length === 0) return [];
        return [
          chainAddition({ table, name: hook, hook, priority: PRIORITY }),
          ...ofChain.map((expressions) => ruleAddition({ table, chain: hook, expressions })),
        ];
      }),
    ];
  });
  return [...(replaces ? silenceDeletion(name) : []), ...additions];
}

/**
 * Encodes the requests of one batch, which deletes the tables of an attachment. Adds each table
 * first, so that a missing table is not an error. Pure.
 */
export const silenceDeletion = (name: string): readonly Request[] => [
  ...tablesOf(name).map(tableAddition),
  ...tablesOf(name).map(tableDeletion),
];

const tablesOf = (name: string) => SILENCED.map((family) => ({ family, name }));

/** The state of an attachment's silence. */
export interface Silence {
  /** Why the kernel did not list its tables; null: it listed them. */
  readonly refusal: string | null;
  /** Whether one of the attachment's tables exists. */
  readonly hasTables: boolean;
  /** What the rules have dropped; null: at least one rule is missing. */
  readonly dropped: Counted | null;
}

/**
 * Adds up what the rules of these tables have dropped on these links; null if a rule is missing.
 * Pure.
 */
export function findSilence(
  name: string,
  [podLink, tap]: readonly [podLink: string, tap: string],
  { rules }: Pick<Nftables, 'rules'>,
  served: Served | null,
): Counted | null {
  const wanted = silenceRules(podLink, tap, served);
  const dropped: Counted[] = [];
  for (const family of SILENCED) {
    for (const hook of HOOKS) {
      const ofChain = wanted[family][hook] ?? [];
      const counted = countRules(ofChain, rulesIn(rules, { family, name }, hook));
      if (counted === null) return null;
      dropped.push(...counted.filter((_, i) => ofChain[i]?.at(-1)?.is === 'drop'));
    }
  }
  return sumOf(dropped);
}

/** Rules of one chain, in their order. */
export const rulesIn = (rules: readonly Rule[], { family, name }: Table, hook: string): readonly Rule[] =>
  rules.filter(({ table, chain }) => table.family === family && table.name === name && chain === hook);

/** Finds the existing tables of an attachment: one per family, unless one was deleted. Pure. */
export function ownTables(key: AttachmentKey, { tables }: Tables): readonly Table[] {
  const own = silenceTable(key);
  return tables.filter(({ name }) => name === own);
}
