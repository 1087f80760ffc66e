/** What a live migration leaves of the source pod's macvtap, and when DEL ends that. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { environmentOf, netconf } from '../helpers/plugin/cni.ts';
import { GUEST4, withMigration } from '../helpers/plugin/macvtap-migration.ts';
import { BLUE, withMacvtapNode } from '../helpers/plugin/macvtap-node.ts';
import { traceCall } from '../helpers/plugin/strace.ts';
import { canPing } from '../helpers/pod/guest.ts';
import { withNetns } from '../helpers/pod/netns.ts';

const test = suite('macvtap and live migration');

test('after a migration, a client on the source node is cut off until DEL, and one outside is not', () =>
  withMigration(async ({ node, source, neighbour, beforeMigration, afterMigration }) => {
    await beforeMigration(async () => {
      assert.ok(await canPing(neighbour, GUEST4), 'a client on the node reaches the guest');
      assert.ok(await canPing(node.outside, GUEST4), 'so does one outside');
    });
    await afterMigration(async () => {
      assert.ok(await canPing(node.outside, GUEST4), 'one outside reaches the guest in the target pod');
      assert.is(await canPing(neighbour, GUEST4), false, 'one on the source node does not');
      await node.succeeds('DEL', source);
      assert.ok(await canPing(neighbour, GUEST4), 'one on the source node does, once DEL has replied');
    });
  }));

/**
 * Types of requests, as strace prints them for a socket of another netns: those that only read, and
 * the one that deletes a link.
 */
const READS = ['0x12' /* RTM_GETLINK */, '0x26' /* RTM_GETQDISC */, '0x2e' /* RTM_GETTFILTER */];
const NFT_READS = ['0xa01' /* NFT_MSG_GETTABLE */];
const RTM_DELLINK = '0x11';

test('DEL deletes the macvtap before it changes anything else, and does not ask kubelet', () =>
  withMacvtapNode((node) =>
    withNetns(async (pod) => {
      const call = node.podOf(pod);
      await node.succeeds('ADD', call);
      const asked = node.kubelet.calls();
      const { answer, lines } = await traceCall(
        ['sendto', 'sendmsg', 'unlink', 'unlinkat', 'mknod', 'mknodat', 'chown', 'lchown', 'fchownat'],
        environmentOf('DEL', call),
        JSON.stringify(netconf(call)),
      );
      assert.is(answer.exitCode, 0, answer.stdout);
      const requests = lines.map((line) => /nlmsg_type=(\w+)/.exec(line)?.[1] ?? line);
      const [first] = requests.filter((type) => ![...READS, ...NFT_READS].includes(type));
      assert.is(first, RTM_DELLINK, requests.join('\n'));
      assert.is(node.kubelet.calls(), asked);
      assert.not.match(await pod.ip('link show'), BLUE);
    }),
  ));

test.run();
