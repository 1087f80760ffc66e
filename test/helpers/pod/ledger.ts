/**
 * The names of the netns that a test file has created. The runner removes them if the file ends
 * before it can.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';

/** Variable with the path of the file for the names; not set if a test file is run by hand. */
export const NETNS_LEDGER = 'TAPWIRE_TEST_NETNS';

/** Must be called before the netns is created. */
export function recordNetns(name: string): void {
  const path = process.env[NETNS_LEDGER];
  if (path !== undefined) appendFileSync(path, `${name}\n`);
}

/** All names in a ledger, including netns that are gone. */
export const recordedNetns = (path: string): readonly string[] =>
  existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : [];
