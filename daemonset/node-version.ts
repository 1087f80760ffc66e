/**
 * Ends a process that another Node.js runs than this was built for, before anything fails of which nobody would see the reason. To be
 * imported first: modules are evaluated in the order of their imports.
 */
import { log } from '../shared/log.ts';
import { refusalOfNode } from '../shared/node-version.ts';

const refusal = refusalOfNode(process.versions.node);
if (refusal !== null) {
  log('error', refusal);
  process.exit(1);
}
