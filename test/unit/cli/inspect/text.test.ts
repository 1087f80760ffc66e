import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Inspection, MacvtapAttachment, TapAttachment } from '../../../../cli/inspect/inspection.ts';
import { COLOURS, drawText, listText, PLAIN } from '../../../../cli/inspect/text.ts';

const test = suite('drawText()');

const ATTACHMENT: TapAttachment = {
  containerId: 'c1',
  ifname: 'net1',
  binding: 'tap',
  podLink: {
    name: 'eth0',
    kind: null,
    mac: '02:00:00:00:00:01',
    mtu: 9000,
    isUp: false,
    hasCarrier: false,
    addresses: [],
  },
  tap: {
    name: 'tap0',
    mac: '02:00:00:00:00:02',
    mtu: 9000,
    isUp: true,
    owner: null,
    group: null,
    multiQueue: true,
    persistent: false,
    holders: [],
  },
  toTap: { classifier: 'matchall', packets: 1, bytes: 999 },
  toPodLink: { classifier: 'matchall', packets: 12_345_678, bytes: 9_876_543_210 },
  filters: [],
  silence: { packets: 3, bytes: 200 },
  passage: null,
  defects: [],
};
const SOUND: Inspection = {
  netns: '/n',
  pod: null,
  attachments: [ATTACHMENT],
  strays: [],
  sysctls: null,
  passt: null,
};

test('fits boxes and arrows to their texts', () => {
  assert.is(
    drawText(SOUND, PLAIN),
    `/n

┌─ eth0 ────────────┐                           ┌─ tap0 ──────────────────┐
│ physical, DOWN    │  1 frame, 999 B           │ tap, up                 │
│ 02:00:00:00:00:01 │ ────────────────────────▶ │ 02:00:00:00:00:02       │
│ MTU 9000          │  12345678 frames, 9.9 GB  │ MTU 9000                │
│                   │ ◀──────────────────────── │ owner anyone, group any │
│                   │                           │ multi-queue             │
│                   │                           │ not persistent          │
└───────────────────┘                           └─────────────────────────┘

  container  c1, net1
  binding    tap
  held by    no process: no VM has the tap open
  silence    3 packets of the pod's own stack dropped
  state      as ADD left it

`,
  );
});

test('lists what ended where, and says what is unknown', () => {
  const passage = {
    services: {
      served: [
        { what: 'DHCPv4 requests', packets: 3, bytes: 900 },
        { what: 'ARP for the server', packets: 0, bytes: 0 },
      ],
      isolated: [{ what: 'DHCPv4', packets: 1, bytes: 300 }],
      router: { address: 'fe80::1', mac: '02:00:00:00:00:0a' },
    },
    guard: { compares: 'addresses', form: 'program' },
    dropped: 1,
  } as const;
  const drawn = (changes: Partial<TapAttachment>) =>
    drawText({ ...SOUND, attachments: [{ ...ATTACHMENT, ...changes }] }, PLAIN);
  assert.match(
    drawn({ passage }),
    `  services   DHCPv4 requests 3, ARP for the server 0
  isolation  dropped from outside: DHCPv4 1
  router     fe80::1, 02:00:00:00:00:0a
  guard      source MAC and addresses, by a classic BPF program
  dropped    1 frame of the guest that nobody got
`,
  );
  const unknown = {
    services: { served: null, isolated: null, router: null },
    guard: { compares: 'mac', form: null },
    dropped: null,
  } as const;
  assert.match(
    drawn({ passage: unknown }),
    `  services   unknown: the nftables table is gone or changed
  isolation  unknown: the nftables table is gone or changed
  guard      source MAC, by no filters
  dropped    unknown: the nftables table is gone or changed
`,
  );
});

test('draws a missing pod link and missing redirects', () => {
  const attachment = { ...ATTACHMENT, podLink: null, toTap: null, toPodLink: null, defects: ['one', 'two'] };
  const text = drawText({ ...SOUND, attachments: [attachment] }, COLOURS);
  assert.match(text, '\x1b[1mgone\x1b[0m');
  assert.match(text, '\x1b[31m no redirect');
  assert.match(text, '  defect     \x1b[31mone\x1b[0m\n  defect     \x1b[31mtwo\x1b[0m\n');
  assert.not.match(text, 'as ADD left it');
});

test('shows the state of the pod link, an unopened tap in its place, and missing silence', () => {
  const podLink = { name: 'eth0', kind: 'tun', mac: '02:00:00:00:00:01', mtu: 9000, addresses: [] };
  const drawn = (isUp: boolean, hasCarrier: boolean, kind = 'tun') => {
    const attachment = { ...ATTACHMENT, podLink: { ...podLink, kind, isUp, hasCarrier }, silence: null };
    return drawText({ ...SOUND, attachments: [attachment] }, PLAIN);
  };
  const UNOPENED = '  pod link   eth0 is a tap that no process has open: no frame passes\n';
  assert.match(drawn(true, true), /│ tun, up +│/);
  assert.not.match(drawn(true, true), UNOPENED);
  assert.match(drawn(true, false), UNOPENED);
  assert.match(drawn(true, false, 'veth'), /│ veth, up, no carrier +│/);
  assert.not.match(drawn(true, false, 'veth'), UNOPENED);
  assert.match(drawn(false, false, 'veth'), /│ veth, DOWN +│/);
  assert.match(drawn(true, true), "  silence    none: the pod's own stack can send with the VM's MAC\n");
});

const MACVTAP: MacvtapAttachment = {
  containerId: 'c1',
  ifname: 'pod1',
  binding: 'macvtap',
  lowerDevice: {
    name: 'bond0.7',
    kind: 'vlan',
    mac: '02:00:00:00:00:01',
    mtu: 9000,
    isUp: true,
    hasCarrier: false,
    allmulticast: null,
    promisc: false,
  },
  lowerDeviceAtAdd: 'vlan7',
  macvtap: {
    name: 'pod1',
    ifindex: 2_000_000_000,
    mac: '02:00:00:00:00:02',
    mtu: 9000,
    isUp: false,
    mode: null,
    queues: 4,
    allmulticast: false,
    promisc: true,
    hasIpv6: true,
    holders: [{ pid: 1, program: 'qemu', queues: 4 }],
  },
  deviceNode: {
    path: '/dev/tap2000000000',
    device: null,
    wanted: '236:1',
    owner: 0,
    group: 107,
    mode: '0660',
  },
  resource: null,
  defects: ['one'],
};

test('draws a macvtap, what is wrong with it, and the earlier name of its lower device', () => {
  const inspection = { ...SOUND, attachments: [MACVTAP] };
  assert.is(
    drawText(inspection, PLAIN),
    `/n

┌─ bond0.7 ────────────┐                ┌─ pod1 ────────────┐
│ vlan, up, no carrier │  unknown mode  │ macvtap, DOWN     │
│ 02:00:00:00:00:01    │ ─────────────▶ │ 02:00:00:00:00:02 │
│ MTU 9000             │                │ MTU 9000          │
│ allmulticast unknown │ ◀───────────── │ allmulticast off  │
│ promiscuous off      │                │ promiscuous on    │
│                      │                │ 4 queues          │
│                      │                │ IPv6 ON           │
└──────────────────────┘                └───────────────────┘

  container  c1, pod1
  binding    macvtap
  lower      "bond0.7" was "vlan7" when ADD ran
  resource   none of the node policy file has the index 2000000000
  device     /dev/tap2000000000, not a character device instead of 236:1, owner 0, group 107, mode 0660
  held by    qemu (pid 1), 4 queues
  defect     one

`,
  );
  assert.match(listText([inspection], PLAIN), 'bond0.7 <-> pod1 qemu:1  1 defect\n');
});

test('draws a macvtap whose lower device and device node are gone', () => {
  const gone = { ...MACVTAP, lowerDevice: null, deviceNode: null };
  const text = drawText({ ...SOUND, attachments: [gone] }, COLOURS);
  assert.match(text, '\x1b[1mgone\x1b[0m');
  assert.match(text, '\x1b[31m no frame passes');
  assert.match(text, '  device     \x1b[31mthere is no device node\x1b[0m\n');
  assert.match(listText([{ ...SOUND, attachments: [gone] }], PLAIN), 'gone <-> pod1 qemu:1');
});

test('shows the state and the sysctls of passt', () => {
  const passt = {
    ...SOUND,
    attachments: [],
    passt: { defects: [] },
    sysctls: { 'net.ipv4.ip_unprivileged_port_start': '0', 'net.ipv4.ping_group_range': '1 0' },
  };
  assert.is(
    drawText(passt, PLAIN),
    '/n\n\n  passt      as ADD left it\n  sysctl     net.ipv4.ip_unprivileged_port_start = 0\n  sysctl     net.ipv4.ping_group_range = 1 0\n',
  );
  assert.match(drawText({ ...passt, passt: { defects: ['narrow'] } }, PLAIN), '  passt      narrow\n');
});

test('listText() prints one line for each netns, with the number of defects', () => {
  const broken = {
    ...SOUND,
    pod: 'vms/b',
    attachments: [{ ...ATTACHMENT, defects: ['one'] }],
    strays: ['two'],
  };
  const passt = { ...SOUND, attachments: [], passt: { defects: [] } };
  assert.is(
    listText([SOUND, broken, passt], PLAIN),
    `NETNS  POD    WIRED          STATE
/n     -      eth0 <-> tap0  ok
/n     vms/b  eth0 <-> tap0  2 defects
/n     -      passt          ok
`,
  );
});

test('escapes foreign control characters', () => {
  const text = drawText({ ...SOUND, pod: 'a\x1b[2J\n\u202eb', strays: ['c\rd'] }, PLAIN);
  assert.not.match(text.replaceAll('\n', ''), /[\p{Cc}\p{Cf}]/u);
  assert.match(text, 'a\\u001b[2J\\u000a\\u202eb');
});

test.run();
