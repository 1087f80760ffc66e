/** As daemonset/node-version.ts, for whoever reads stderr on a terminal. To be imported first. */
import { refusalOfNode } from '../shared/node-version.ts';

const refusal = refusalOfNode(process.versions.node);
if (refusal !== null) {
  process.stderr.write(`${refusal}\n`);
  process.exit(2);
}
