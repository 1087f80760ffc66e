/**
 * Ends a command that another Node.js runs than it was built for, before anything fails of which nobody would see the reason. To be
 * imported first: modules are evaluated in the order of their imports.
 */
import tapwire from '../../package.json' with { type: 'json' };

const wanted = /\d+/.exec(tapwire.engines.node)?.[0];
if (process.versions.node.split('.')[0] !== wanted) {
  const reason = `want ${wanted}; use node_modules/.bin/node`;
  process.stderr.write(`Cannot run under Node.js ${process.versions.node}: ${reason}\n`);
  process.exit(2);
}
