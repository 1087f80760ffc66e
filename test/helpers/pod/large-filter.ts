/**
 * A filter that is too large for a dump. On a link with it, the kernel lists none of that link's
 * filters.
 */
import { closeSync, openSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { attribute, nested, text, u32 } from '../../../shared/netlink/attribute.ts';
import { NLM_F_CREATE, NLM_F_EXCL } from '../../../shared/netlink/message.ts';
import { Rtnetlink } from '../../../shared/netns/netns.ts';
import { allLinks } from '../../../shared/rtnetlink/link.ts';
import { TCA_KIND, tcmsg } from '../../../shared/rtnetlink/qdisc.ts';
import type { TestNetns } from './netns.ts';

// linux/rtnetlink.h, linux/pkt_cls.h, linux/bpf_common.h
const RTM_NEWTFILTER = 44;
const CLSACT_INGRESS = 0xfffffff2;
const ETH_P_ALL_BE = 0x0300;
const TCA_OPTIONS = 2;
const TCA_BPF_CLASSID = 3;
const TCA_BPF_OPS_LEN = 4;
const TCA_BPF_OPS = 5;
const BPF_RET = 6;
/** Instructions in bytes: 32 KiB, the most that a program may have (BPF_MAXINSNS). */
const INSTRUCTIONS = 4096;
const INSTRUCTION_BYTES = 8; // struct sock_filter

/**
 * Adds a filter that lets every frame pass, at the ingress of a link with a clsact qdisc. tc(8) has
 * no room for one this large.
 */
export async function addLargeFilter(netns: TestNetns, ifname: string, pref: number): Promise<void> {
  const program = Buffer.alloc(INSTRUCTIONS * INSTRUCTION_BYTES); // load 0, repeated
  program.writeUInt16LE(BPF_RET, program.length - INSTRUCTION_BYTES);
  const length = Buffer.alloc(2);
  length.writeUInt16LE(INSTRUCTIONS);

  const fd = openSync(netns.path, 'r');
  const rtnetlink = new Rtnetlink(fd);
  try {
    const [links] = await rtnetlink.ask(allLinks);
    const ifindex = links.find((link) => link.ifname === ifname)?.ifindex ?? 0;
    const body = [
      ...tcmsg(ifindex, CLSACT_INGRESS, 0, ((pref << 16) | ETH_P_ALL_BE) >>> 0),
      ...text(TCA_KIND, 'bpf'),
      ...nested(
        TCA_OPTIONS,
        u32(TCA_BPF_CLASSID, 0x10001),
        attribute(TCA_BPF_OPS_LEN, length),
        attribute(TCA_BPF_OPS, program),
      ),
    ];
    const request = { type: RTM_NEWTFILTER, flags: NLM_F_CREATE | NLM_F_EXCL, body };
    assert.equal(await rtnetlink.run([{ part: 'change', requests: [request] }], false), [['done']]);
  } finally {
    await rtnetlink.close();
    closeSync(fd);
  }
}
