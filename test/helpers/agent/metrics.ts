/** Parses Prometheus' text format 0.0.4; throws for everything that violates its rules. */
import * as assert from 'uvu/assert';

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly type: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

export interface Metrics {
  readonly families: ReadonlyMap<string, Family>;
  /** Sum of the samples of this name that have these labels; 0 if there are none. */
  value(name: string, labels?: Readonly<Record<string, string>>): number;
}

const TYPES = ['counter', 'gauge', 'histogram', 'summary', 'untyped'];
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;

export function parseMetrics(text: string): Metrics {
  assert.match(text, /\n$/, 'the last line ends');
  const families = new Map<string, { type: string; help: string; samples: Sample[] }>();
  let help: RegExpExecArray | null = null;
  let current = '';
  for (const line of text.split('\n').filter((line) => line !== '')) {
    if (line.startsWith('# HELP ')) {
      help = /^# HELP (\S+) (.+)$/.exec(line);
      assert.ok(help, line);
    } else if (line.startsWith('# TYPE ')) {
      const [, name = '', type = ''] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
      assert.is(help?.[1], name, `HELP comes before: ${line}`);
      assert.ok(TYPES.includes(type), line);
      assert.not.ok(families.has(name), `once only: ${line}`);
      families.set(name, { type, help: help?.[2] ?? '', samples: [] });
      current = name;
    } else {
      const sample = parseSample(line);
      const base = sample.name.replace(/_(bucket|sum|count)$/, '');
      assert.ok([sample.name, base].includes(current), `behind its TYPE: ${line}`);
      families.get(current)?.samples.push(sample);
    }
  }
  const samples = [...families.values()].flatMap((family) => family.samples);
  const keys = samples.map(({ name, labels }) => JSON.stringify([name, Object.entries(labels).sort()]));
  assert.is(new Set(keys).size, keys.length, 'no sample is there twice');
  return {
    families,
    value: (name, labels = {}) =>
      samples
        .filter((sample) => sample.name === name)
        .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
        .reduce((sum, { value }) => sum + value, 0),
  };
}

function parseSample(line: string): Sample {
  const [, name = '', text = '', number = ''] = SAMPLE.exec(line) ?? [];
  assert.ok(name, `a sample: ${line}`);
  const value = Number(number.replace(/^([+-]?)Inf$/, '$1Infinity'));
  assert.ok(number === 'NaN' || !Number.isNaN(value), `a number: ${line}`);
  const labels: Record<string, string> = {};
  for (let rest = text; rest !== ''; ) {
    const [whole, label = '', value = ''] = LABEL.exec(rest) ?? [];
    if (whole === undefined) throw new Error(`Cannot read the labels of: ${line}`);
    assert.not.ok(label in labels, `a label once only: ${line}`);
    labels[label] = value.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
    rest = rest.slice(whole.length);
  }
  return { name, labels, value };
}
