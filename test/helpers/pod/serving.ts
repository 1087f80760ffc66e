/** Tapwire's sidecar in the pod of a guest that it serves. */
import { writeFileSync } from 'node:fs';
import { podVmi } from '../sidecar/defined.ts';
import { domainFixture } from '../sidecar/domain-fixtures.ts';
import { callDefineDomain, collectHooks } from '../sidecar/hook-api.ts';
import { makeHookDirectory, type Sidecar, withHookPlace, withSidecar } from '../sidecar/sidecar.ts';
import { vmiJson } from '../sidecar/vmi.ts';
import type { NetworkedPod } from './served-network.ts';

export const NAMESERVERS = ['10.96.0.10', 'fd00:96::a'] as const;
export const SEARCH_DOMAINS = ['lab.svc.cluster.local', 'example.test'] as const;
/** KubeVirt gives the pod the hostname of the VMI. */
export const HOSTNAME = 'vm1';

/** The pod's. */
export const RESOLV_CONF = `${NAMESERVERS.map((one) => `nameserver ${one}\n`).join('')}search ${SEARCH_DOMAINS.join(' ')}\n`;

/**
 * @param isRestarted whether virt-launcher has called the sidecar's predecessor, and not this one
 */
export type Serve = <T>(act: (sidecar: Sidecar) => Promise<T>, isRestarted?: boolean) => Promise<T>;

/** @param iface of the VMI, besides name and binding */
export const withServe = <T>(
  { pod }: NetworkedPod,
  act: (serve: Serve) => Promise<T>,
  iface: object = {},
): Promise<T> =>
  withHookPlace(async (place) => {
    const hooks = makeHookDirectory(`${place}/hooks`);
    const directory = makeHookDirectory(`${hooks}/hook-sidecar-0`);
    const resolvConf = `${place}/resolv.conf`;
    writeFileSync(resolvConf, RESOLV_CONF);
    const env = {
      NETWORK_BINDING_PLUGIN_NAME: 'tapwire-pod-ip',
      CONTAINER_NAME: 'hook-sidecar-0',
      TAPWIRE_HOOK_DIR: directory,
    };
    return act(
      <R>(use: (sidecar: Sidecar) => Promise<R>, isRestarted = false): Promise<R> =>
        withSidecar(
          pod,
          place,
          env,
          async (sidecar) => {
            const [hook] = await collectHooks(hooks, 'nested', 1);
            if (!isRestarted)
              await callDefineDomain(hook?.socket ?? '', DOMAIN, vmiJson(podVmi('tapwire-pod-ip', iface)));
            return use(sidecar);
          },
          { program: 'sidecar/main.ts', openFiles: 64, pod: { resolvConf, hostname: HOSTNAME } },
        ),
    );
  });

const DOMAIN = domainFixture('no-interface').xml;
