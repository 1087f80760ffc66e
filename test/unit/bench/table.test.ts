import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { describeResults, table } from '../../../bench/table.ts';
import { RESULTS } from './results.ts';

const test = suite('the tables of the benchmark');

test('names are left-aligned, numbers right-aligned', () => {
  const rows = [
    ['tapwire', '1.0'],
    ['b', '27.5'],
  ];
  assert.is(table(['', 'ADD'], rows), '           ADD\n-------   ----\ntapwire    1.0\nb         27.5');
});

test('every part has its table, with ratios to bridge in the same run', () => {
  const said = describeResults(RESULTS);
  for (const line of [
    /^tapwire +1\.00 \(1\.50\) +0\.20 +0\.10\+0\.40 +0\.39 +1\.10 \(1\.65\) +0\.05 +0\.11\+0\.40 +40\/40$/m,
    /^200 DEL tapwire +85\.0 \(128\) +0\.18 +17\.0\+60\.0 +13\.0 +70\.0$/m,
    /^250 of tapwire +1\.50 \(2\.25\) +1\.50 +0\.80 \(1\.20\) +2\.00$/m,
    /^bridge +5\.00 \(7\.50\) +1\.00 +50\/50 +2 +9000 +50\.0$/m,
    /^sidecar, 16 interfaces +500 \(750\) +2\.50 +4\.00 % +4\.00 \(6\.00\) +2\.00 \(6\.00\) +2\.00 +29\.5 +0$/m,
    /^tapwire +0\.40 \(0\.60\) +1\.00 \(1\.50\) +2\.50$/m,
    /^spoofGuard mac +3\.00 \(4\.50\) +1\.50 +0\.30\+0\.40 +1\.20 \(1\.80\) +1\.20 +0\.12\+0\.40$/m,
    /^spoofGuard mac, program +660 \(990\) +1\.10 +671 \(1007\) +1\.10$/m,
  ]) {
    assert.match(said, line);
  }
});

test('a part that was not measured has no table', () => {
  assert.is(describeResults({ machine: RESULTS.machine }).split('\n').length, 2);
});

test.run();
