import { SaxesParser } from 'saxes';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { milliseconds, times } from '../../../bench/panel.ts';
import { drawResults } from '../../../bench/plot.ts';
import { RESULTS } from './results.ts';

const test = suite('the plot of the benchmark');

/** Returns the texts of a picture; fails unless it is well-formed XML. */
function textsOf(svg: string): readonly string[] {
  const parser = new SaxesParser();
  const texts: string[] = [];
  parser.on('text', (text) => texts.push(text.trim()));
  parser.on('error', (error) => {
    throw error;
  });
  parser.write(svg).close();
  return texts.filter((text) => text !== '');
}

test('the plot shows every peer with its times and ratios, in rows of ADD and DEL', () => {
  const texts = textsOf(drawResults(RESULTS));
  for (const text of [
    'Tapwire',
    'Tapwire, no agent',
    'Go bridge',
    '1.0 ms',
    '27 ms',
    '0.2×',
    '5.4×',
    '200 pods at once, in total',
  ]) {
    assert.ok(texts.includes(text), text);
  }
});

test('the plot cuts only the bar that would hide the others', () => {
  const svg = drawResults(RESULTS);
  // Of ADD only: in DEL, Node is about as slow as the times of the others.
  assert.is(svg.match(/class="gap"/g)?.length, 2);
});

test('the plot leaves out missing results', () => {
  const { machine, calls } = RESULTS;
  assert.not.match(drawResults({ machine, calls }), 'at once');
  assert.not.match(drawResults({ machine, calls: calls.slice(1, 2) }), /NaN|Infinity/);
});

test('larger numbers have fewer decimals', () => {
  assert.equal([0.456, 1.04, 9.96, 27.4, 1234].map(milliseconds), [
    '0.46 ms',
    '1.0 ms',
    '10.0 ms',
    '27 ms',
    '1234 ms',
  ]);
  assert.equal([0.204, 0.5, 1, 5.4, 12.3].map(times), ['0.2×', '0.5×', '1×', '5.4×', '12×']);
});

test.run();
