import { decodeAttributes, readText, text } from '../netlink/attribute.ts';
import { type Message, NLM_F_CREATE, NLM_F_DUMP, type Query, type Request } from '../netlink/message.ts';
import { type Family, familyOf, NFGENMSG_BYTES, nftablesRequest } from './message.ts';

/** An nftables table. Two families can use the same name. */
export interface Table<Of extends Family = Family> {
  readonly family: Of;
  readonly name: string;
}

/** All tables, or why the kernel does not list them, for example because it lacks nf_tables. */
export interface Tables {
  readonly tables: readonly Table[];
  /** Reason; null if the kernel lists the tables. */
  readonly refusal: string | null;
}

const NFT_MSG_NEWTABLE = 0;
const NFT_MSG_GETTABLE = 1;
const NFT_MSG_DELTABLE = 2;
const NFTA_TABLE_NAME = 1;

/** Queries the tables of the netns, in the families that Tapwire uses. */
export const allTables: Query<Tables> = {
  request: nftablesRequest(NFT_MSG_GETTABLE, NLM_F_DUMP, null),
  decode: (replies) => ({ tables: replies.flatMap(decodeTable), refusal: null }),
  refused: (refusal) => ({ tables: [], refusal }),
};

function decodeTable({ body }: Message): readonly Table[] {
  const family = familyOf(body);
  const name = readText(decodeAttributes(body, NFGENMSG_BYTES), NFTA_TABLE_NAME);
  return family === null || name === undefined ? [] : [{ family, name }];
}

/** `nft add table FAMILY NAME`, which does nothing if the table exists. */
export const tableAddition = ({ family, name }: Table): Request =>
  nftablesRequest(NFT_MSG_NEWTABLE, NLM_F_CREATE, family, text(NFTA_TABLE_NAME, name));

/** `nft delete table FAMILY NAME`, with everything in it. */
export const tableDeletion = ({ family, name }: Table): Request =>
  nftablesRequest(NFT_MSG_DELTABLE, 0, family, text(NFTA_TABLE_NAME, name));
