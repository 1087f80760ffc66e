import type { Request } from '../../shared/netlink/message.ts';
import {
  CLASSIFIERS,
  type Classifier,
  type Filter,
  filterDeletion,
  isHashTable,
} from '../../shared/rtnetlink/filter.ts';
import { isInOurPlace } from '../plan/ours.ts';

/** What the running kernel may have, best first. Once one has worked, that one. */
export interface Classifiers {
  candidates: readonly Classifier[];
}

/** The kernel stays the same as long as we run. */
export const THIS_KERNEL: Classifiers = { candidates: CLASSIFIERS };

/** The requests that delete the filter with this cookie at the ingress of a link; none where it is not there. Pure. */
export function redirectDeletions(
  filters: readonly Filter[],
  ifindex: number,
  cookie: string,
): readonly Request[] {
  const inOurPlace = filters.filter((filter) => filter.ifindex === ifindex && isInOurPlace(filter));
  const ours = inOurPlace.filter(({ redirect }) => redirect?.cookie === cookie);
  const isAlone = inOurPlace.every((filter) => filter.redirect?.cookie === cookie || isHashTable(filter));
  // Without a handle all at this pref goes: u32 keeps an empty hash table otherwise while others use u32 here.
  return isAlone
    ? ours.slice(0, 1).map((filter) => filterDeletion({ ...filter, handle: 0 }))
    : ours.map(filterDeletion);
}
