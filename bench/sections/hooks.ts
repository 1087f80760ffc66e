import { once } from 'node:events';
import { connect } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { callDefineDomain, encodeMessage } from '../../test/helpers/sidecar/hook-api.ts';
import {
  anonymousMemory,
  GUARANTEED,
  type SmallSidecar,
  timeEmptyNode,
  withSmallSidecar,
} from '../../test/helpers/sidecar/small-sidecar.ts';
import type { Bench } from '../bench.ts';
import type { HookCosts } from '../results.ts';
import { quantile, spread } from '../statistics.ts';

/** Numbers of interfaces of the VM that Tapwire binds. */
const INTERFACES = [1, 16];
const STARTS = 7;
const CALLS = 1000;
/**
 * Number of calls before the measured ones, in which V8 compiles the code. (The start of a VM makes
 * three calls.)
 */
const WARM_UP = 20;
const DEFINE = '/kubevirt.hooks.v1alpha3.Callbacks/OnDefineDomain';
const INFO = '/kubevirt.hooks.info.Info/Info';

/**
 * Measures the sidecar's start with the limits of a guaranteed pod, and its calls without a CPU
 * limit.
 */
export async function measureHooks(bench: Bench): Promise<readonly HookCosts[]> {
  const costs: HookCosts[] = [];
  for (const interfaces of INTERFACES) {
    const starts: number[] = [];
    const replies: number[] = [];
    const empty: number[] = [];
    for (let start = 1; start <= STARTS; start++) {
      bench.tell(`${interfaces} interfaces, start ${start} of ${STARTS}`);
      await withSmallSidecar(GUARANTEED, interfaces, async ({ listening, ready }) => {
        starts.push(ready);
        replies.push((ready - listening) / listening);
      });
      empty.push(await timeEmptyNode(GUARANTEED));
    }
    const free = { ...GUARANTEED, cpu: 10_000 };
    costs.push(
      await withSmallSidecar(free, interfaces, (small) =>
        measureCalls(bench, small, { starts, replies, empty }),
      ),
    );
  }
  return costs;
}

interface Starts {
  /** From exec to the reply to Info, ms. */
  readonly starts: readonly number[];
  /** From the socket to the reply to Info, as a share of the time from exec to the socket. */
  readonly replies: readonly number[];
  readonly empty: readonly number[];
}

async function measureCalls(
  bench: Bench,
  small: SmallSidecar,
  { starts, replies, empty }: Starts,
): Promise<HookCosts> {
  const { sidecar, cgroup, socket, domain, vmi } = small;
  const answer = await callDefineDomain(socket, domain, vmi);
  const interfaces = answer.match(/<interface /g)?.length ?? 0;
  const params = { domainXML: Buffer.from(domain), vmi };
  const request = frame(encodeMessage('OnDefineDomainParams', params));
  const nothing = frame(encodeMessage('InfoParams', {}));
  const first: number[] = [];
  const times: number[] = [];
  const info: number[] = [];
  for (let made = 1; made <= WARM_UP + CALLS; made++) {
    if (made % 100 === 0) bench.tell(`${interfaces} interfaces, call ${made} of ${CALLS}`);
    const began = performance.now();
    const bytes = await callOnce(socket, DEFINE, request);
    if (bytes < answer.length) throw new Error(`Cannot measure hooks: the reply has only ${bytes} bytes`);
    (made <= WARM_UP ? first : times).push(performance.now() - began);
  }
  const memory = anonymousMemory(sidecar);
  for (let made = 1; made <= CALLS; made++) {
    const began = performance.now();
    await callOnce(socket, INFO, nothing);
    info.push(performance.now() - began);
  }
  return {
    interfaces,
    start: spread(starts),
    firstReply: spread(replies),
    emptyNode: spread(empty),
    first: spread(first),
    define: middleAndEnd(times),
    info: middleAndEnd(info),
    memory,
    oomKills: cgroup.oomKills(),
  };
}

const middleAndEnd = (times: readonly number[]) => ({
  median: quantile(times, 0.5),
  p99: quantile(times, 0.99),
});

/** Adds the prefix of a gRPC message. */
function frame(message: Buffer): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/**
 * Makes one call on a new connection, as virt-launcher does, with a client that takes little time
 * itself. Returns the number of bytes of the reply.
 */
async function callOnce(socket: string, path: string, request: Buffer): Promise<number> {
  const session = connect('http://localhost', { createConnection: () => connectSocket(socket) });
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  let bytes = 0;
  let status: unknown;
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  stream.on('trailers', (trailers) => {
    status = trailers['grpc-status'];
  });
  stream.end(request);
  await once(stream, 'close');
  session.destroy();
  if (status !== '0') throw new Error(`Cannot measure hooks: status ${String(status)}`);
  return bytes;
}
