import type { Association, AssociationKind } from './message.ts';
import { encodeOption, type NewOption, OPTION, statusOption, u32 } from './options.ts';

/**
 * Times in seconds. A lease is short, so that a guest whose pod got other addresses soon asks for
 * them. T1 and T2, when the client renews and rebinds, are the recommended parts of it (RFC 8415
 * §21.4).
 */
export const LEASE = { t1: 1800, t2: 2880, lifetime: 3600 } as const;
/** Number of addresses of other pods that one IA can lose by a reply. */
const MAX_WITHDRAWN = 8;

/** What the reply grants. */
export interface Grant {
  /** Addresses of the pod, 16 bytes each. */
  readonly addresses: readonly Buffer[];
  /** Whether the client loses addresses that it lists, but the pod does not have. */
  readonly withdrawsOthers: boolean;
}

/**
 * Answers the IAs of a message, most important first. The first IA_NA gets all addresses of the
 * pod, because the guest is the only client.
 *
 * Source: RFC 8415 §18.3.2, §18.3.4, §18.3.5
 */
export function answerAssociations(associations: readonly Association[], grant: Grant): NewOption[] {
  const first = associations.find(({ kind }) => kind === 'iaNa');
  const others = associations.filter((association) => association !== first);
  return [
    ...(first === undefined ? [] : [granted(first, grant)]),
    ...others.map((association) => refused(association, grant)),
  ];
}

function granted(association: Association, grant: Grant): NewOption {
  const addresses = grant.addresses.map((address) => addressOption(address, LEASE.lifetime));
  return newAssociation(association, LEASE.t1, LEASE.t2, [...addresses, ...withdrawals(association, grant)]);
}

function refused(association: Association, grant: Grant): NewOption {
  const { code, items } = statusOption(association.kind === 'iaPd' ? 'NoPrefixAvail' : 'NoAddrsAvail');
  return newAssociation(association, 0, 0, [encodeOption(code, items), ...withdrawals(association, grant)]);
}

function withdrawals({ addresses }: Association, grant: Grant): Buffer[] {
  if (!grant.withdrawsOthers) return [];
  const isOwn = (address: Buffer) => grant.addresses.some((own) => own.equals(address));
  return addresses
    .filter((address) => !isOwn(address))
    .slice(0, MAX_WITHDRAWN)
    .map((address) => addressOption(address, 0));
}

const CODES: Readonly<Record<AssociationKind, number>> = OPTION;

function newAssociation({ kind, id }: Association, t1: number, t2: number, content: Buffer[]): NewOption {
  const times = kind === 'iaTa' ? [] : [u32(t1), u32(t2)];
  return { code: CODES[kind], items: [Buffer.concat([id, ...times, ...content])] };
}

const addressOption = (address: Buffer, lifetime: number): Buffer =>
  encodeOption(OPTION.address, [address, u32(lifetime), u32(lifetime)]);
