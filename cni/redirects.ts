import {
  addRedirect,
  CLASSIFIERS,
  type Classifier,
  deleteFilter,
  dumpFilters,
  type Filter,
  isHashTable,
} from '../shared/rtnetlink/filter.ts';
import { dumpIngressQdiscs, type IngressQdisc } from '../shared/rtnetlink/qdisc.ts';
import type { Refusal, Rtnetlink } from '../shared/rtnetlink/socket.ts';
import { REDIRECT_PREF } from './wiring.ts';

export const ENOENT = 2;
const EINVAL = 22;

/** Our redirects in one netns, by ifindex. Null when the kernel did it. */
export interface Redirects {
  /** A refusal with ENOENT: the kernel lacks every classifier that would do, or mirred. */
  add(from: number, to: number, cookie: string): Promise<Refusal | null>;
  delete(from: number, cookie: string): Promise<Refusal | null>;
}

/** @param classifiers what the kernel may have, best first */
export function redirectsOf(
  rtnetlink: Rtnetlink,
  classifiers: readonly Classifier[] = CLASSIFIERS,
): Redirects {
  /** Once one has worked, that one. */
  let available = classifiers;

  const qdiscOf = async (ifindex: number): Promise<Pick<IngressQdisc, 'ifindex' | 'kind'>> => {
    const qdiscs = await dumpIngressQdiscs(rtnetlink);
    return qdiscs.find((qdisc) => qdisc.ifindex === ifindex) ?? { ifindex, kind: 'clsact' };
  };

  return {
    async add(from, to, cookie) {
      const { kind: qdisc } = await qdiscOf(from);
      let refusal: Refusal | null = null;
      for (const classifier of available) {
        refusal = await addRedirect(rtnetlink, { from, qdisc, to, pref: REDIRECT_PREF, cookie }, classifier);
        if (refusal === null) available = [classifier];
        // No such classifier, or no mirred; a table that another classifier left at our pref.
        if (refusal?.errno !== ENOENT && refusal?.errno !== EINVAL) break;
      }
      return refusal;
    },
    async delete(from, cookie) {
      const filters = await dumpFilters(rtnetlink, await qdiscOf(from), 'ingress');
      const atOurPref = filters.filter(({ pref }) => pref === REDIRECT_PREF);
      const ours = atOurPref.filter(({ redirect }) => redirect?.cookie === cookie);
      const isAlone = atOurPref.every((filter) => ours.includes(filter) || isHashTable(filter));
      for (const filter of ours) {
        // Without a handle all at this pref goes: u32 keeps an empty hash table otherwise while others use u32 here.
        const refusal = await deleteFilter(rtnetlink, isAlone ? { ...filter, handle: 0 } : filter);
        if (refusal !== null) return refusal;
      }
      return null;
    },
  };
}

/** All filters of a link's ingress qdisc, on both sides of it. */
export async function dumpBothSides(rtnetlink: Rtnetlink, qdisc: IngressQdisc): Promise<readonly Filter[]> {
  const ingress = await dumpFilters(rtnetlink, qdisc, 'ingress');
  return qdisc.kind === 'clsact' ? [...ingress, ...(await dumpFilters(rtnetlink, qdisc, 'egress'))] : ingress;
}
