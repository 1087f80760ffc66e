/**
 * Links whose names are bytes that are not UTF-8. DEL takes none for another, and messages and
 * `tapwire inspect` tell them apart.
 */
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { tapwire } from '../helpers/cluster/command-line.ts';
import { cni } from '../helpers/plugin/cni.ts';
import { inOneWay } from '../helpers/plugin/way.ts';
import { type TestNetns, withPod } from '../helpers/pod/netns.ts';

const everyWay = suite('names that are not UTF-8');
const test = inOneWay(everyWay);

const PREV_RESULT = { cniVersion: '1.0.0' };

async function succeeds(command: string, { path }: TestNetns, rest = {}): Promise<void> {
  const call = { netns: path, network: 'default', conf: { prevResult: PREV_RESULT }, ...rest };
  const { exitCode, stdout } = await cni(command, call);
  assert.is(exitCode, 0, `${command}: ${stdout}`);
}

/** Runs a shell script in the netns. `$ff`, `$fe`, `$alias` are bytes that are not UTF-8. */
async function shell({ path }: TestNetns, script: string): Promise<Buffer> {
  const bytes = `ff=$(printf '\\377') fe=$(printf '\\376')`;
  const { stdout } = await execa('nsenter', [`--net=${path}`, 'sh', '-ec', `${bytes}\n${script}`], {
    encoding: 'buffer',
  });
  return Buffer.from(stdout);
}

const rename = (from: string, to: string) =>
  `ip link set "${from}" down; ip link set "${from}" name "${to}"; ip link set "${to}" up;`;

/** Names of all links, one character for each byte. */
const namesIn = async (pod: TestNetns): Promise<readonly string[]> =>
  [...(await shell(pod, 'ip -o link show')).toString('latin1').matchAll(/^\d+: ([^:@]+)/gm)].map(
    ([, name = '']) => name,
  );

const OTHER = 'ip link add other type veth peer name other-peer;';

for (const [tap, other] of [
  ['$ff', '$fe'],
  ['$fe', '$ff'],
  ['tap$ff', 'tap$fe'],
] as const) {
  everyWay(`DEL deletes the tap that was renamed to ${tap}, and not another program's link ${other}`, () =>
    withPod('eth0', async (pod) => {
      await succeeds('ADD', pod);
      await shell(pod, `${OTHER} ${rename('tap0', tap)} ${rename('other', other)}`);
      const before = await namesIn(pod);
      await succeeds('DEL', pod);
      const gone = (await shell(pod, `printf %s "${tap}"`)).toString('latin1');
      assert.equal(
        await namesIn(pod),
        before.filter((name) => name !== gone),
      );
    }),
  );
}

test('DEL restores the pod link that was renamed to $fe, and leaves the clsact of $ff', () =>
  withPod('eth0', async (pod) => {
    await succeeds('ADD', pod);
    await shell(
      pod,
      `${OTHER} tc qdisc add dev other clsact; ${rename('other', '$ff')} ${rename('eth0', '$fe')}`,
    );
    await succeeds('DEL', pod);
    const left = await shell(pod, 'tc qdisc show | grep -a clsact');
    assert.equal(left.toString('latin1').match(/dev \S+/g), ['dev \xff']);
  }));

test('ADD, CHECK and DEL work next to aliases and names that are not UTF-8', () =>
  withPod('eth0', async (pod) => {
    await shell(
      pod,
      `${OTHER} ip link set other alias "$ff$fe"; ip link set eth0 alias "$ff"; ${rename('other', '$ff')}`,
    );
    for (const command of ['ADD', 'CHECK', 'DEL']) await succeeds(command, pod);
    const alias = await shell(pod, 'ip -d link show dev eth0');
    assert.match(alias.toString('latin1'), 'alias \xff');
  }));

test('CHECK and inspect print the bytes of a name that is not UTF-8', () =>
  withPod('eth0', async (pod) => {
    await succeeds('ADD', pod);
    await shell(pod, `${rename('tap0', 'a$ff')} ip tuntap add tap0 mode tap`);
    const call = { netns: pod.path, network: 'default', conf: { prevResult: PREV_RESULT } };
    const { msg } = (await cni('CHECK', call)).json;
    assert.ok(msg.includes('"a\udcff"'), JSON.stringify(msg));
    const [text, json, svg] = [[], ['--json'], ['--svg']].map((words) =>
      tapwire(['inspect', pod.path, ...words]),
    );
    assert.match((await text)?.stdout ?? '', 'a\\xff');
    assert.match((await json)?.stdout ?? '', 'a\\udcff');
    assert.match((await svg)?.stdout ?? '', 'a\\xff');
  }));

everyWay.run();
