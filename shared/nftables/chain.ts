import { nested, text } from '../netlink/attribute.ts';
import { NLM_F_CREATE, type Request } from '../netlink/message.ts';
import { be32, type Family, nftablesRequest } from './message.ts';
import type { Table } from './table.ts';

/** A chain that the kernel runs for every packet at a hook. Its policy is "accept". */
export interface FilterChain {
  readonly table: Table;
  readonly name: string;
  /** Hook of the chain. `output` sees what the programs and the kernel of the netns send. */
  readonly hook: 'output';
  /** Priority: chains of the same hook run in this order, lowest first. */
  readonly priority: number;
}

const NFT_MSG_NEWCHAIN = 3;
const NFTA_CHAIN_TABLE = 1;
const NFTA_CHAIN_NAME = 3;
const NFTA_CHAIN_HOOK = 4;
const NFTA_CHAIN_POLICY = 5;
const NFTA_CHAIN_TYPE = 7;
const NFTA_HOOK_HOOKNUM = 1;
const NFTA_HOOK_PRIORITY = 2;
const NF_ACCEPT = 1;
/** NF_INET_LOCAL_OUT and NF_ARP_OUT. */
const HOOKS: Readonly<Record<FilterChain['hook'], Readonly<Record<Family, number>>>> = {
  output: { inet: 3, arp: 1 },
};

/** `nft add chain TABLE NAME { type filter hook HOOK priority PRIORITY; policy accept; }` */
export const chainAddition = ({ table, name, hook, priority }: FilterChain): Request =>
  nftablesRequest(
    NFT_MSG_NEWCHAIN,
    NLM_F_CREATE,
    table.family,
    text(NFTA_CHAIN_TABLE, table.name),
    text(NFTA_CHAIN_NAME, name),
    nested(
      NFTA_CHAIN_HOOK,
      be32(NFTA_HOOK_HOOKNUM, HOOKS[hook][table.family]),
      be32(NFTA_HOOK_PRIORITY, priority),
    ),
    be32(NFTA_CHAIN_POLICY, NF_ACCEPT),
    text(NFTA_CHAIN_TYPE, 'filter'),
  );
