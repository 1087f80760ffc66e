import { type Client, restartable } from './client.ts';
import { mtuOn, NIC } from './seen.ts';

const SCRIPT = '/run/udhcpc.script';
const ENVIRONMENT = '/run/udhcpc.environment';
/** Debian's script, which uses neither the search domains nor the hostname. */
const NOTES = `#!/bin/sh
case $1 in bound | renew) env > ${ENVIRONMENT} ;; esac
exec /etc/udhcpc/default.script "$@"
`;

const WORDS = [
  ...['busybox', 'udhcpc', '-f', '-i', NIC, '-s', SCRIPT],
  ...['staticroutes', 'mtu', 'search'].flatMap((option) => ['-O', option]),
];

export const UDHCPC: Client = {
  name: 'udhcpc',
  hasDhcpv6: false,
  async start(system) {
    system.write(SCRIPT, NOTES);
    await system.run('chmod', '755', SCRIPT);
    await system.netns.ip(`link set ${NIC} up`);
    const udhcpc = restartable(system, ...WORDS);
    return {
      async told() {
        const value = (key: string) =>
          new RegExp(`^${key}=(.*)$`, 'm').exec(system.read(ENVIRONMENT))?.[1] ?? '';
        return {
          mtu: await mtuOn(system.netns),
          nameservers: value('dns').split(' ').filter(Boolean),
          searchDomains: value('search').split(' ').filter(Boolean),
          hostname: value('hostname'),
        };
      },
      renew: async () => void (await udhcpc.kill('SIGUSR1')),
      restart: udhcpc.restart,
      output: udhcpc.output,
    };
  },
};
