/**
 * Exits with a message on stderr if Node.js is not the version built for. Import this module first,
 * so that no other code runs before the check.
 */
import { refusalOfNode } from '../shared/node-version.ts';

const refusal = refusalOfNode(process.versions.node);
if (refusal !== null) {
  process.stderr.write(`${refusal}\n`);
  process.exit(2);
}
