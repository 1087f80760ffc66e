import { type Answer, cni, newContainerId } from '../plugin/cni.ts';
import type { Lab } from './lab.ts';

/** One attachment by the binding NAD, as Multus adds and deletes it. */
export interface Attachment {
  readonly add: () => Promise<Answer>;
  readonly check: () => Promise<Answer>;
  readonly del: () => Promise<Answer>;
}

/** @param conf keys of the NAD's configuration, besides those that every NAD has */
export function attachment(
  lab: Lab,
  network: string,
  conf: Readonly<Record<string, unknown>> = {},
): Attachment {
  // Multus calls an entry without a name "net1"; that is not the name of the pod link.
  const call = {
    netns: `/run/netns/${lab.pod}`,
    containerId: newContainerId(),
    ifname: 'net1',
    network,
  };
  let prevResult: unknown = null;
  const ask = async (command: string) => {
    const answer = await cni(command, { ...call, conf: { ...conf, prevResult } });
    if (answer.exitCode !== 0)
      throw new Error(`${command} failed: ${answer.stdout.trim() || answer.stderr.trim()}`);
    if (command === 'ADD') prevResult = answer.json; // Container runtimes keep it for CHECK and DEL.
    return answer;
  };
  return { add: () => ask('ADD'), check: () => ask('CHECK'), del: () => ask('DEL') };
}
