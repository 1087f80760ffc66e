import { type Diagnosis, error, ok } from './diagnosis.ts';
import type { Facts } from './facts.ts';

const WHAT = '/dev/net/tun';
/** Major and minor number. Source: Linux Documentation/admin-guide/devices.txt */
const TUN = [10, 200] as const;

/**
 * Judges whether the plugin can use the device. Its mode does not matter: the plugin runs as root,
 * and KubeVirt gives each VM's pod its own device. Pure.
 */
export function tunFinding(tun: Facts['tun']): Diagnosis {
  if (tun === null) {
    return error(WHAT, 'is missing', 'load the module (modprobe tun), and at boot: /etc/modules-load.d');
  }
  const { device, failure } = tun;
  if (device === null) return error(WHAT, 'is not a character device', REPLACE);
  if (device[0] !== TUN[0] || device[1] !== TUN[1]) {
    return error(WHAT, `is device ${device.join(':')}, want ${TUN.join(':')}`, REPLACE);
  }
  if (failure !== null) {
    return error(
      WHAT,
      `cannot be opened: ${failure}`,
      'load the module (modprobe tun); run this as root on the node',
    );
  }
  return ok(WHAT, `character device ${TUN.join(':')}, can be opened`);
}

const REPLACE = 'remove it and load the module: rm /dev/net/tun; modprobe -r tun; modprobe tun';
