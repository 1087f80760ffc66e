import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { forwardedPorts } from '../../../../sidecar/bindings/listed-ports.ts';
import { parseVmi } from '../../../../sidecar/vmi/vmi.ts';
import { caught } from '../../../helpers/caught.ts';
import { vmiJson } from '../../../helpers/sidecar/vmi.ts';

const forwarded = suite('forwardedPorts()');

const portsOf = (ports: readonly object[]) =>
  parseVmi(vmiJson({ red: { ports } }), ['tapwire']).interfaces.flatMap(forwardedPorts);

for (const [why, ports, want] of [
  ['none', [], []],
  ['no protocol is TCP', [{ port: 1 }, { protocol: '', port: 2 }], ['tcp 1', 'tcp 2']],
  [
    'protocols in any letter case',
    [
      { protocol: 'UDP', port: 1 },
      { protocol: 'Tcp', port: 2 },
    ],
    ['udp 1', 'tcp 2'],
  ],
  ['the largest and the smallest', [{ port: 65535 }, { port: 1 }], ['tcp 65535', 'tcp 1']],
  [
    'each port once, in order',
    [{ port: 2 }, { protocol: 'UDP', port: 2 }, { protocol: 'TCP', port: 2 }, { port: 1 }],
    ['tcp 2', 'udp 2', 'tcp 1'],
  ],
] as const) {
  forwarded(why, () =>
    assert.equal(
      portsOf(ports).map(({ protocol, port }) => `${protocol} ${port}`),
      want,
    ),
  );
}

for (const [port, what] of [
  [{ port: 0 }, 'port 0'],
  [{ port: -1 }, 'port -1'],
  [{ port: 65536 }, 'port 65536'],
  [{ protocol: 'UDP' }, 'port 0'],
  [{ protocol: 'SCTP', port: 5 }, 'protocol "SCTP" of port 5'],
  [{ protocol: 'tcp,hostfwd=tcp::1-:1', port: 5 }, 'protocol "tcp,hostfwd=tcp::1-:1" of port 5'],
] as const) {
  forwarded(`refuses ${what}`, async () => {
    const error = await caught(() => portsOf([{ port: 80 }, port]));
    assert.is(error.code, 'INVALID_VMI');
    assert.is(
      error.message,
      `Cannot bind interface "red": it cannot forward ${what}; use TCP or UDP, and ports from 1 to 65535`,
    );
  });
}

forwarded.run();
