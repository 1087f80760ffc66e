import { BindingError } from '../../../shared/errors.ts';
import {
  hashedPodIfname,
  isOrdinalIfname,
  PRIMARY_LINKS,
  PRIMARY_TAP_IFNAME,
  secondaryTapIfname,
} from '../../../shared/kubevirt/names.ts';
import { listSome } from '../../../shared/list-some.ts';
import type { AttachmentKey } from '../../../shared/record.ts';
import type { Link } from '../../../shared/rtnetlink/link.ts';
import type { TapConf } from '../../request/config.ts';
import { podIfname } from '../../request/ifname.ts';

/** A tap to wire to a pod link. */
export interface Attachment {
  readonly key: AttachmentKey;
  /** Ifname of the link that another CNI plugin created. */
  readonly podLink: string;
  /** Ifname of the tap that KubeVirt looks for next to it. */
  readonly tap: string;
  readonly conf: TapConf;
}

/**
 * Finds the pod link, and the name of its tap. Pure.
 *
 * KubeVirt calls a binding's NAD with the VMI's network name and a meaningless CNI_IFNAME (`net1`).
 * For a network's own NAD, CNI_IFNAME is the name of the pod link.
 *
 * @throws {BindingError} NAMING_UNKNOWN, LINK_MISSING, INVALID_CONFIG
 * Source: kubevirt pkg/network/multus/annotation.go, pkg/network/namescheme
 */
export function resolveAttachment(
  key: AttachmentKey,
  conf: TapConf,
  links: readonly Pick<Link, 'ifname'>[],
): Attachment {
  const ifnames = links.map(({ ifname }) => ifname);
  return conf.logicNetworkName === null
    ? { key, conf, ...linkOfNetwork(key.ifname, conf) }
    : { key, conf, ...linkOfBinding(conf.logicNetworkName, conf, ifnames) };
}

function linkOfBinding(network: string, conf: TapConf, ifnames: readonly string[]) {
  const hashed = hashedPodIfname(network);
  if (ifnames.includes(hashed)) return { podLink: hashed, tap: secondaryTapIfname(hashed) };

  // The primary network, or a secondary one whose link has an ordinal name, which does not identify
  // the network.
  const ordinal = ifnames.find(isOrdinalIfname);
  if (ordinal !== undefined) {
    throw new BindingError(
      'NAMING_UNKNOWN',
      `Cannot find the pod link of network "${network}": there is no "${hashed}", and with "${ordinal}" in the pod ` +
        'KubeVirt numbers its links; give every network of the pod an "interface" in its annotation',
      { details: `links seen: ${listSome(ifnames)}` },
    );
  }
  if (conf.network === 'secondary') {
    throw new BindingError(
      'LINK_MISSING',
      `Cannot wire network "${network}": there is no pod link "${hashed}", and with "network": "secondary" the primary network's ` +
        'link is not wired instead; name a network that makes a link in the pod, or use a binding without that key for the ' +
        'primary network',
      { details: `links seen: ${listSome(ifnames)}` },
    );
  }
  const podLink = conf.podLink ?? PRIMARY_LINKS.find((ifname) => ifnames.includes(ifname)) ?? 'eth0';
  if (podLink === PRIMARY_TAP_IFNAME) {
    throw new BindingError(
      'INVALID_CONFIG',
      `Cannot read $.podLink: want the pod's link, got "${podLink}", which is the name of the tap`,
    );
  }
  return { podLink, tap: PRIMARY_TAP_IFNAME };
}

function linkOfNetwork(name: string, conf: TapConf) {
  const ifname = podIfname(name, 'CNI_IFNAME');
  if (conf.podLink !== null && conf.podLink !== ifname) {
    throw new BindingError(
      'INVALID_CONFIG',
      `Cannot read $.podLink: want "${ifname}" (CNI_IFNAME) or nothing outside a KubeVirt binding, got "${conf.podLink}"`,
    );
  }
  if (conf.network === 'secondary' && PRIMARY_LINKS.includes(ifname)) {
    throw new BindingError(
      'INVALID_CONFIG',
      `Cannot wire "${ifname}": it is the primary network's link, and $.network says "secondary"; leave that key out`,
    );
  }
  if (ifname === 'eth0') return { podLink: ifname, tap: PRIMARY_TAP_IFNAME };
  if (ifname.length <= 'tap'.length) {
    throw new BindingError(
      'INVALID_CONFIG',
      `Cannot wire "${ifname}" as a network: KubeVirt derives the tap's name from the characters after the third`,
    );
  }
  return { podLink: ifname, tap: secondaryTapIfname(ifname) };
}
