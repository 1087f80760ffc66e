/** The netns that a test file has made, by name: the runner removes them if the file is ended before it can. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';

/** Variable with the path of the file that the names are written to; not set if a test file is run by hand. */
export const NETNS_LEDGER = 'TAPWIRE_TEST_NETNS';

/** To be called before the netns is made. */
export function recordNetns(name: string): void {
  const path = process.env[NETNS_LEDGER];
  if (path !== undefined) appendFileSync(path, `${name}\n`);
}

/** All names in a ledger, also of netns that are gone. */
export const recordedNetns = (path: string): readonly string[] =>
  existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : [];
