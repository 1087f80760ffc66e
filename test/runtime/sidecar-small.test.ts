/**
 * The bundled sidecar in 64 MB and 200m CPU, the limits that a pod with guaranteed QoS gives it.
 */
import { readdirSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { callDefineDomain } from '../helpers/sidecar/hook-api.ts';
import { processStatus } from '../helpers/sidecar/sidecar.ts';
import {
  anonymousMemory,
  GUARANTEED,
  type SmallSidecar,
  withSmallSidecar,
} from '../helpers/sidecar/small-sidecar.ts';

const MAX_ANONYMOUS = 32; // MiB
/** Variation that garbage collection causes, in MiB. */
const SLACK = 3;

const test = suite('the sidecar in 64 MB and 200m CPU');

async function callOften({ socket, domain, vmi }: SmallSidecar, times: number): Promise<string> {
  let answer = '';
  for (let call = 0; call < times; call++) answer = await callDefineDomain(socket, domain, vmi);
  return answer;
}

const interfacesIn = (xml: string): number => xml.match(/<interface /g)?.length ?? 0;

test('the sidecar starts and replies to Info without an OOM kill', () =>
  withSmallSidecar(GUARANTEED, 0, async ({ ready, cgroup }) => {
    console.log(`\n@ start to answered Info: ${Math.round(ready)} ms`);
    assert.is(cgroup.oomKills(), 0);
  }));

async function staysSmall(interfaces: number): Promise<void> {
  await withSmallSidecar(GUARANTEED, interfaces, async (small) => {
    const { sidecar, cgroup } = small;
    assert.is(processStatus(sidecar, 'Uid'), '107\t107\t107\t107');
    assert.is(processStatus(sidecar, 'CapBnd'), '0000000000000000');
    assert.is(interfacesIn(await callOften(small, 1000)), interfaces);
    const memory = anonymousMemory(sidecar);
    const peak = cgroup.peak().toFixed(1);
    console.log(
      `\n@ ${interfaces} interfaces: ${memory.toFixed(1)} MiB after 1,000 calls, cgroup peak ${peak} MiB`,
    );
    assert.ok(memory <= MAX_ANONYMOUS, `${interfaces} interfaces: ${memory} MiB`);
    assert.is(cgroup.oomKills(), 0, `${interfaces} interfaces`);
  });
}

// At the same time, because both spend most of it waiting for their share of the CPU.
test(`1,000 calls for 1 and for 16 interfaces need at most ${MAX_ANONYMOUS} MiB each, without an OOM kill`, () =>
  Promise.all([1, 16].map(staysSmall)).then(() => {}));

// With more CPU than a pod gives it, so that it ends soon. V8 then compiles more code at a time,
// and one run takes up to 4 MiB more than another: only growth is judged here.
test('10,000 calls do not make memory and open files grow', () =>
  withSmallSidecar({ ...GUARANTEED, cpu: 2000 }, 1, async (small) => {
    const { sidecar, cgroup } = small;
    const openFiles = () => readdirSync(`/proc/${sidecar.pid}/fd`).length;
    await callOften(small, 2000);
    const [memory, files] = [anonymousMemory(sidecar), openFiles()];
    await callOften(small, 8000);
    const after = anonymousMemory(sidecar);
    console.log(
      `\n@ RssAnon ${memory.toFixed(1)} MiB after 2,000 calls, ${after.toFixed(1)} MiB after 10,000`,
    );
    assert.ok(after <= memory + SLACK, `${memory} MiB, then ${after} MiB`);
    assert.ok(openFiles() <= files + 1, `${openFiles()} open files, ${files} before`);
    assert.is(cgroup.oomKills(), 0);
  }));

test.run();
