import { decodeAttributes, readText, text } from '../netlink/attribute.ts';
import { type Message, NLM_F_CREATE, NLM_F_DUMP, type Query, type Request } from '../netlink/message.ts';
import { type Family, familyOf, NFGENMSG_BYTES, nftablesRequest } from './message.ts';

/** A table of nftables. Each family has names of its own. */
export interface Table {
  readonly family: Family;
  readonly name: string;
}

/** All tables, or why the kernel does not tell them, e.g. because it has no nf_tables. */
export interface Tables {
  readonly tables: readonly Table[];
  /** Null if it tells. */
  readonly refusal: string | null;
}

const NFT_MSG_NEWTABLE = 0;
const NFT_MSG_GETTABLE = 1;
const NFT_MSG_DELTABLE = 2;
const NFTA_TABLE_NAME = 1;

/** The tables of the netns, of the families that Tapwire writes. */
export const allTables: Query<Tables> = {
  request: nftablesRequest(NFT_MSG_GETTABLE, NLM_F_DUMP, null),
  decode: (answers) => ({ tables: answers.flatMap(decodeTable), refusal: null }),
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
