import { originalName } from './cni-conf.ts';
import { type Diagnosis, error, ok, warning } from './diagnosis.ts';
import type { CniConf, ConfDirectory, Facts } from './facts.ts';

const WHAT = 'default network';

/**
 * Decides whether the container runtime calls Multus, which calls the bindings. Pure.
 *
 * A container runtime takes the first usable configuration of one directory. A directory of k3s,
 * MicroK8s or OpenShift takes precedence if it has configurations: such a node may also have
 * /etc/cni/net.d, which nothing reads. k3s without its flannel reads /etc/cni/net.d.
 */
export function confFindings(directories: Facts['confDirectories']): readonly Diagnosis[] {
  const judged = judgedOf(directories);
  if (judged === undefined) {
    return [warning(WHAT, 'no directory of CNI configurations exists', INSTALL_MULTUS)];
  }
  const { path, confs } = judged;
  const first = confs.find(({ problem }) => problem === null);
  const broken = confs.filter(({ problem }) => problem !== null);
  const isBefore = (conf: CniConf) => first === undefined || confs.indexOf(conf) < confs.indexOf(first);
  const offenders = confs.filter(({ hasTapwire }) => hasTapwire);
  return [
    ...broken.filter(isBefore).map((conf) => brokenFinding(path, conf, STOPS)),
    ...verdict(
      judged,
      directories.filter((one) => one !== judged && !isEmpty(one)),
      first,
    ),
    ...broken.filter((conf) => !isBefore(conf)).map((conf) => brokenFinding(path, conf, '')),
    ...offenders.map(({ name }) =>
      error(
        WHAT,
        `${path}/${name} has type "tapwire", which would take the network of every pod`,
        "remove it there; name a NetworkAttachmentDefinition in the KubeVirt CR's network.binding instead",
      ),
    ),
  ];
}

/** Consequence of a broken file that sorts before all usable ones. */
const STOPS = '; containerd uses no file after it, CRI-O skips it';

const brokenFinding = (path: string, { name, problem }: CniConf, consequence: string): Diagnosis =>
  warning(
    WHAT,
    `${path}/${name} cannot be used: ${problem}${consequence}`,
    'correct it, or move it out of the directory',
  );

const INSTALL_MULTUS = 'install Multus on this node';

/** The directory that the container runtime most likely reads. Undefined if none exists. */
export const judgedOf = (directories: readonly ConfDirectory[]): ConfDirectory | undefined =>
  directories.find((one) => !isEmpty(one)) ?? directories.at(-1);

const isEmpty = ({ confs, renamed }: ConfDirectory): boolean => confs.length === 0 && renamed.length === 0;

function verdict(
  judged: ConfDirectory,
  others: readonly ConfDirectory[],
  first: CniConf | undefined,
): readonly Diagnosis[] {
  const { path, confs } = judged;
  const multus = confs.find(isMultusFile);
  if (first === undefined || multus === undefined) return [withoutMultus(judged, others)];
  if (first !== multus) {
    return [
      error(
        WHAT,
        `${path}/${first.name} comes before Multus' ${multus.name}, and the container runtime uses only the first: no binding is called`,
        'make Multus sort first: change a name in the settings of the program that writes the file',
      ),
    ];
  }
  if (confs[0] !== multus) return []; // a broken file comes before it
  return [ok(WHAT, `${path}/${multus.name} comes first and calls Multus${notRead(judged, others)}`)];
}

function withoutMultus(
  { path, renamed, platform }: ConfDirectory,
  others: readonly ConfDirectory[],
): Diagnosis {
  const [name] = renamed;
  if (name !== undefined) {
    return error(
      WHAT,
      `Cilium has renamed Multus' ${originalName(name)} to ${path}/${name}: no binding is called`,
      "set cni.exclusive to false in Cilium's Helm values, then restart Multus' pod on this node",
    );
  }
  const elsewhere = others.find(({ confs }) => confs.some(isMultusFile));
  if (elsewhere !== undefined) {
    return error(
      WHAT,
      `Multus' configuration is in ${elsewhere.path}, but ${platform ?? 'the container runtime'} reads ${path}`,
      `set Multus' directory of CNI configurations to ${path}, or remove ${path} if nothing reads it`,
    );
  }
  return warning(WHAT, `there is no Multus in ${path}, and only Multus calls bindings`, INSTALL_MULTUS);
}

const isMultusFile = ({ multus, problem }: CniConf): boolean => multus !== null && problem === null;

function notRead({ platform }: ConfDirectory, others: readonly ConfDirectory[]): string {
  if (others.length === 0) return '';
  const paths = others.map(({ path }) => path).join(', ');
  return `; ${platform ?? 'the container runtime'} does not read ${paths}`;
}
