import type { ParseOptions, ScalarTag, SchemaOptions, TagId, Tags } from 'yaml';

/** Tags of YAML 1.1 that go-yaml does not resolve: timestamps, binary data and special maps. */
const LEFT_ALONE = /:(timestamp|binary|omap|pairs|set)$/;

/** Floats of YAML 1.1, without degenerate forms such as a lone ".". */
const FLOAT: ScalarTag = {
  tag: 'tag:yaml.org,2002:float',
  default: true,
  test: /^[-+]?(?:\.\d[\d_]*|\d[\d_]*(?:\.[\d_]*)?)(?:[eE][-+]?\d+)?$/,
  resolve: (text) => Number(text.replaceAll('_', '')),
};
const isFloat = ({ tag, test }: ScalarTag) => tag === FLOAT.tag && !test?.test('.nan');

/**
 * Sexagesimal numbers, which go-yaml does not resolve either. A MAC address of digits would be one.
 */
const isBase60 = ({ format }: ScalarTag) => format === 'TIME';

const OCTAL_OF_YAML_1_2: TagId = 'intOct';

function asGoYaml(tags: Tags): Tags {
  const kept = tags.filter((tag) => {
    const scalar = tag as ScalarTag;
    return typeof tag !== 'string' && !LEFT_ALONE.test(tag.tag) && !isBase60(scalar) && !isFloat(scalar);
  });
  return [...kept, OCTAL_OF_YAML_1_2, FLOAT];
}

/**
 * Options to read YAML as sigs.k8s.io/yaml and go-yaml v2 do: YAML 1.1 (`on`, `yes` and `y` are
 * true, 0777 is octal, `<<` merges) without the tags above. `uniqueKeys` is off because the package
 * compares each key with each other.
 */
export const OPTIONS = {
  version: '1.1',
  customTags: asGoYaml,
  uniqueKeys: false,
  prettyErrors: false,
  logLevel: 'silent',
} as const satisfies ParseOptions &
  SchemaOptions & { readonly prettyErrors: boolean; readonly logLevel: string; readonly version: string };
