/**
 * Ends a process that another Node.js runs than this was built for, before anything fails of which nobody would see the reason. To be
 * imported first: modules are evaluated in the order of their imports.
 */
import tapwire from '../package.json' with { type: 'json' };
import { log } from '../shared/log.ts';

const wanted = /\d+/.exec(tapwire.engines.node)?.[0];
if (process.versions.node.split('.')[0] !== wanted) {
  log(
    'error',
    `Cannot run under Node.js ${process.versions.node}: want ${wanted}; use node_modules/.bin/node`,
  );
  process.exit(1);
}
