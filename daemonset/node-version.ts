/**
 * Exits if Node.js is not the version built for, before something fails with an obscure error.
 * Import it first: modules are evaluated in the order of their imports.
 */
import { log } from '../shared/log.ts';
import { refusalOfNode } from '../shared/node-version.ts';

const refusal = refusalOfNode(process.versions.node);
if (refusal !== null) {
  log('error', refusal);
  process.exit(1);
}
