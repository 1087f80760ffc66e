import { SaxesParser } from 'saxes';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Inspection } from '../../../../cli/inspect/inspection.ts';
import { drawSvg } from '../../../../cli/inspect/svg.ts';

const test = suite('drawSvg()');

/** Text of an SVG. Requires well-formed XML without external references. */
function textOf(svg: string): readonly string[] {
  const texts: string[] = [];
  const names = new Set<string>();
  const parser = new SaxesParser();
  parser.on('error', (error) => assert.unreachable(error.message));
  parser.on('text', (text) => texts.push(text));
  parser.on('opentag', ({ name, attributes }) => {
    names.add(name);
    assert.equal(
      Object.keys(attributes).filter((key) => /href|^on|style/.test(key)),
      [],
    );
  });
  parser.write(svg).close();
  assert.equal(
    [...names].filter((name) => !['svg', 'title', 'rect', 'text', 'g', 'path'].includes(name)),
    [],
  );
  return texts;
}

const HOSTILE = '</text><script>x</script>&"\x00\x1b';

test('escapes hostile names', () => {
  const inspection: Inspection = {
    netns: '/n',
    pod: HOSTILE,
    attachments: [
      {
        containerId: HOSTILE,
        ifname: 'net1',
        binding: 'tap',
        podLink: {
          name: HOSTILE,
          kind: HOSTILE,
          mac: '',
          mtu: 1,
          isUp: true,
          hasCarrier: true,
          addresses: [],
        },
        tap: {
          name: 'tap0',
          mac: '',
          mtu: 1,
          isUp: true,
          owner: 1,
          group: 1,
          multiQueue: false,
          persistent: true,
          holders: [{ pid: 1, program: HOSTILE, queues: 1 }],
        },
        toTap: null,
        toPodLink: { classifier: 'u32', packets: 1, bytes: 1 },
        filters: [],
        silence: null,
        passage: null,
        defects: [HOSTILE],
      },
    ],
    strays: [HOSTILE],
    sysctls: null,
    passt: null,
  };
  const texts = textOf(drawSvg(inspection));
  const shown = '</text><script>x</script>&"\\u0000\\u001b';
  for (const part of [`${shown}  /n`, shown, `${shown} (pid 1), 1 queue`, 'no redirect', '1 frame, 1 B']) {
    assert.ok(texts.includes(part), part);
  }
});

test('draws a netns without attachments', () => {
  const empty = { netns: '/n', pod: null, attachments: [], strays: [], sysctls: null, passt: null };
  assert.ok(textOf(drawSvg(empty)).includes('nothing by Tapwire'));
});

test.run();
