/**
 * Keeps the sidecar small: a pod with guaranteed QoS gives it 64 MB and 200m CPU.
 *
 * V8 is told so from here, not by the command line or NODE_OPTIONS, so that it holds however an image starts us. The first module
 * that the program loads.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

// The nursery stays as it begins, two halves of 1 MiB. Calls that leave nothing behind would make it grow to 32 MiB.
setFlagsFromString('--semi-space-growth-factor=1');

setFlagsFromString('--expose-gc'); // to contexts made from here on
const collect: () => void = runInNewContext('gc');

/**
 * So many closed connections may wait to be collected. Each holds some 40 KiB outside V8's heap, which V8 does not count: left to
 * itself it collects after some hundreds.
 */
const MAX_CLOSED = 128;
let closed = 0;

/** To be called for every connection that has closed. */
export function releaseConnection(): void {
  closed += 1;
  if (closed % MAX_CLOSED === 0) setImmediate(collect);
}

/** Bytes. A request leaves some ten times its size behind; of those that are larger than any domain, this much may wait. */
const MAX_LEFT = 2 * 1024 * 1024;
const LARGE = 256 * 1024;
let left = 0;

/** To be called for every request of that length that has been answered, bytes. */
export function releaseRequest(length: number): void {
  if (length <= LARGE) return;
  left += length;
  if (left < MAX_LEFT) return;
  left = 0;
  setImmediate(collect);
}
