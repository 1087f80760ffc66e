import { resolve } from 'node:path';
import { execa } from 'execa';

const CHECKOUT = resolve(import.meta.dirname, '../..');

/**
 * Returns why these test files, given as paths under test/, cannot run now; undefined if they can.
 * Those of unit/ always can. The others use the kernel as root, and run the build.
 */
export async function findObstacle(paths: readonly string[]): Promise<string | undefined> {
  const [outside] = paths.filter((path) => !path.startsWith('unit/'));
  if (outside === undefined) return undefined;
  if (process.getuid?.() !== 0) return `test/${outside} needs root, as all tests outside unit/; run as root`;
  // The Node.js that builds, because its version is part of the build's key.
  const [node, build] = [`${CHECKOUT}/node_modules/.bin/node`, `${CHECKOUT}/scripts/build.ts`];
  const { failed, stderr, shortMessage } = await execa(node, [build, '--check'], { reject: false });
  return failed ? stderr.replace(/^Cannot build: /, '') || shortMessage : undefined;
}
