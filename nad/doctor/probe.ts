import { lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readNodePolicy } from '../../cni/node-file.ts';
import { NODE_FILE } from '../../cni/node-policy.ts';
import { testKernel } from '../../cni/self-test.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Classifier } from '../../shared/rtnetlink/filter.ts';
import { pluginsOf } from '../check/nads.ts';
import { get } from '../check/resource.ts';
import type { CniConf, Facts } from './facts.ts';
import { probeAgent } from './probe-agent.ts';
import { probeFolders } from './probe-plugin.ts';

const CONF_FOLDER = '/etc/cni/net.d';

/**
 * Looks at the node; makes two taps in a netns of its own, and nothing else.
 *
 * @param version of this command
 * @param folders of CNI plugins; empty: those that runtimes are known for
 */
export async function probe(version: string, folders: readonly string[]): Promise<Facts> {
  return {
    version,
    tun: probeTun(),
    wiring: { matchall: await failureOfWiring('matchall'), u32: await failureOfWiring('u32') },
    selinux: probeSelinux(),
    folders: await probeFolders(folders),
    agent: await probeAgent(),
    nodeFile: probeNodeFile(),
    confs: probeConfs(),
  };
}

function probeTun(): Facts['tun'] {
  const status = statSync('/dev/net/tun', { throwIfNoEntry: false });
  return status === undefined ? null : { isDevice: status.isCharacterDevice(), mode: status.mode };
}

async function failureOfWiring(classifier: Classifier): Promise<string | null> {
  return testKernel({ candidates: [classifier] }).then(() => null, messageOf);
}

function probeSelinux(): Facts['selinux'] {
  try {
    return readFileSync('/sys/fs/selinux/enforce', 'latin1') === '1' ? 'enforcing' : 'permissive';
  } catch {
    return null;
  }
}

function probeNodeFile(): Facts['nodeFile'] {
  const isThere = lstatSync(NODE_FILE, { throwIfNoEntry: false }) !== undefined;
  try {
    readNodePolicy();
    return { path: NODE_FILE, isThere, failure: null };
  } catch (error) {
    return { path: NODE_FILE, isThere, failure: messageOf(error) };
  }
}

function probeConfs(): readonly CniConf[] {
  try {
    const names = readdirSync(CONF_FOLDER).filter((name) => /\.(conf|conflist|json)$/.test(name));
    return names.sort().map((name) => readConf(join(CONF_FOLDER, name)));
  } catch {
    return []; // no such folder
  }
}

function readConf(file: string): CniConf {
  try {
    const conf: unknown = JSON.parse(readFileSync(file, 'utf8'));
    const delegates = get(conf, 'delegates');
    const types = [conf, ...(Array.isArray(delegates) ? delegates : [])]
      .flatMap(pluginsOf)
      .map((plugin) => get(plugin, 'type'));
    const isMultus = types.some((type) => type === 'multus' || type === 'multus-shim');
    return { file, isMultus, hasTapwire: types.includes('tapwire') };
  } catch {
    return { file, isMultus: null, hasTapwire: false };
  }
}
