import { nested, text, type Words } from '../netlink/attribute.ts';
import { NLM_F_CREATE, type Request } from '../netlink/message.ts';
import { be32, nftablesRequest } from './message.ts';
import type { Table } from './table.ts';

/** A chain that the kernel runs for every packet at a hook. Its policy is "accept". */
export type FilterChain = StackChain | IngressChain;

interface Chain {
  readonly name: string;
  /** Priority: chains of the same hook run in this order, lowest first. */
  readonly priority: number;
}

/** A chain for the packets of the programs and the kernel of the netns, or that it routes. */
interface StackChain extends Chain {
  readonly table: Table<'inet' | 'arp'>;
  /**
   * Hook of the chain. `input` sees what they receive, `output` what they send, and `forward` what
   * the kernel routes.
   */
  readonly hook: 'input' | 'forward' | 'output';
}

/** A chain for the frames that tc(8) has let through at the ingress of a link. */
interface IngressChain extends Chain {
  readonly table: Table<'netdev'>;
  readonly hook: 'ingress';
  /** Name of the link. */
  readonly device: string;
}

const NFT_MSG_NEWCHAIN = 3;
const NFTA_CHAIN_TABLE = 1;
const NFTA_CHAIN_NAME = 3;
const NFTA_CHAIN_HOOK = 4;
const NFTA_CHAIN_POLICY = 5;
const NFTA_CHAIN_TYPE = 7;
const NFTA_HOOK_HOOKNUM = 1;
const NFTA_HOOK_PRIORITY = 2;
const NFTA_HOOK_DEV = 3;
const NF_ACCEPT = 1;
const NF_NETDEV_INGRESS = 0;
/** NF_INET_* and NF_ARP_*. */
const HOOKS = {
  inet: { input: 1, forward: 2, output: 3 },
  arp: { input: 0, forward: 2, output: 1 },
} as const;

/** `nft add chain TABLE NAME { type filter hook HOOK priority PRIORITY; policy accept; }` */
export const chainAddition = (chain: FilterChain): Request =>
  nftablesRequest(
    NFT_MSG_NEWCHAIN,
    NLM_F_CREATE,
    chain.table.family,
    text(NFTA_CHAIN_TABLE, chain.table.name),
    text(NFTA_CHAIN_NAME, chain.name),
    nested(NFTA_CHAIN_HOOK, ...encodeHook(chain)),
    be32(NFTA_CHAIN_POLICY, NF_ACCEPT),
    text(NFTA_CHAIN_TYPE, 'filter'),
  );

function encodeHook(chain: FilterChain): readonly Words[] {
  const priority = be32(NFTA_HOOK_PRIORITY, chain.priority);
  return chain.hook === 'ingress'
    ? [be32(NFTA_HOOK_HOOKNUM, NF_NETDEV_INGRESS), priority, text(NFTA_HOOK_DEV, chain.device)]
    : [be32(NFTA_HOOK_HOOKNUM, HOOKS[chain.table.family][chain.hook]), priority];
}
