import * as assert from 'uvu/assert';
import { callWith, environmentOf, netconf } from '../../helpers/plugin/cni.ts';
import type { Section } from '../../helpers/plugin/conformance.ts';
import { callFailing } from '../../helpers/plugin/strace.ts';
import { passtSysctls } from '../../helpers/pod/netns.ts';
import { succeeds } from './calls.ts';
import { onPod } from './pods.ts';

export const PASST: Section = {
  title: '7.8 Cases of the passt binding',
  rows: [
    {
      id: 'P1',
      requires: 'ADD answers with its version alone.',
      shows: 'passt, tap: `{"cniVersion":"1.0.0"}` and nothing else; 0.3.1, which KubeVirt’s examples have',
      test: () =>
        onPod(async (request) => {
          for (const kind of ['passt', 'tap']) {
            for (const cniVersion of ['1.0.0', '0.3.1']) {
              const own = { ...request, conf: { binding: kind, cniVersion } };
              assert.is((await succeeds('ADD', own)).stdout, `{"cniVersion":"${cniVersion}"}`);
              await succeeds('DEL', own);
            }
          }
        }),
    },
    {
      id: 'P2',
      everyWay: true,
      requires: 'ADD sets two sysctls; a failure of either is reported.',
      shows:
        'both are set in the pod; where the kernel refuses one, code 104 names it, and neither has changed',
      test: () =>
        onPod(async (request, netns) => {
          const own = { ...request, conf: { binding: 'passt' } };
          const fresh = await passtSysctls(netns);
          for (const sysctl of ['ip_unprivileged_port_start', 'ping_group_range']) {
            const inject = ['-e', 'trace=write', '-e', 'inject=write:error=EIO'];
            const path = ['-P', `/proc/sys/net/ipv4/${sysctl}`];
            const input = JSON.stringify(netconf(own));
            const { json } = await callFailing([...inject, ...path], environmentOf('ADD', own), input);
            assert.is(json.code, 104);
            assert.match(
              json.msg,
              new RegExp(`^Cannot set net\\.ipv4\\.${sysctl} to "[\\d ]+": write: Input/output error$`),
            );
            assert.equal(await passtSysctls(netns), fresh);
          }
          await succeeds('ADD', own);
          assert.equal(await passtSysctls(netns), [0, 107, 107]);
        }),
    },
    {
      id: 'P3',
      requires: 'DEL and CHECK succeed on empty arguments.',
      differs:
        'both need their variables, as the reference skeleton has it: DELs without an interface name come from hot-plug roll-backs and must not touch a running VM',
      shows: 'code 4 for both',
      test: async () => {
        for (const CNI_COMMAND of ['DEL', 'CHECK']) {
          const { json } = await callWith({ CNI_COMMAND }, '{}');
          assert.is(json.code, 4);
        }
      },
    },
  ],
};
