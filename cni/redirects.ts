import {
  CLASSIFIERS,
  type Classifier,
  type Filter,
  filterDeletion,
  isHashTable,
} from '../shared/rtnetlink/filter.ts';
import type { Request } from '../shared/rtnetlink/message.ts';
import { REDIRECT_PREF } from './wiring.ts';

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
  const atOurPref = filters.filter(
    (filter) => filter.ifindex === ifindex && filter.direction === 'ingress' && filter.pref === REDIRECT_PREF,
  );
  const ours = atOurPref.filter(({ redirect }) => redirect?.cookie === cookie);
  const isAlone = atOurPref.every((filter) => ours.includes(filter) || isHashTable(filter));
  // Without a handle all at this pref goes: u32 keeps an empty hash table otherwise while others use u32 here.
  return ours.map((filter) => filterDeletion(isAlone ? { ...filter, handle: 0 } : filter));
}
