import tapwire from '../package.json' with { type: 'json' };

/** Returns why Tapwire's programs cannot run under this version of Node.js; null if they can. */
export function refusalOfNode(version: string): string | null {
  const wanted = /\d+/.exec(tapwire.engines.node)?.[0];
  if (version.split('.')[0] === wanted) return null;
  return `Cannot run under Node.js ${version}: want ${wanted}; use node_modules/.bin/node`;
}
