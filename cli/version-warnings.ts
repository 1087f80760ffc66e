import { HCO_AHEAD, type Minor, NEWEST_MINOR, OLDEST_MINOR } from '../nad/kubevirt-versions.ts';

/**
 * Warns of a KubeVirt version that is newer than all known ones, and names the KubeVirt that a
 * HyperConverged operator of this version manages.
 */
export function versionWarnings(minor: Minor): readonly string[] {
  if (minor <= NEWEST_MINOR) return [];
  const managed = minor - HCO_AHEAD;
  const remedy =
    managed >= OLDEST_MINOR && managed <= NEWEST_MINOR
      ? `; if 1.${minor} is the version of the HyperConverged operator, it manages KubeVirt 1.${managed}: write --kubevirt 1.${managed}`
      : '';
  const newest = `the newest version that this tapwire knows is 1.${NEWEST_MINOR}`;
  return [`Warning: KubeVirt 1.${minor} is treated like 1.${NEWEST_MINOR}, because ${newest}${remedy}`];
}
