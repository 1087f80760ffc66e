import { get, isObject, type JsonObject } from '../../shared/json.ts';

/**
 * Whether a pod template allows a node, by nodeSelector and required node affinity. Tolerations do
 * not matter, because the DaemonSet tolerates every taint. Pure.
 *
 * Source: kubernetes, component-helpers/scheduling/corev1/nodeaffinity
 *
 * @param spec the template's pod spec
 */
export function allowsNode(spec: unknown, labels: JsonObject): boolean {
  const selector = get(spec, 'nodeSelector');
  const isSelected =
    !isObject(selector) || Object.entries(selector).every(([key, value]) => get(labels, key) === value);
  const required = ['affinity', 'nodeAffinity', 'requiredDuringSchedulingIgnoredDuringExecution'];
  const terms = get(spec, ...required, 'nodeSelectorTerms');
  return isSelected && (!Array.isArray(terms) || terms.some((term) => matches(term, labels)));
}

function matches(term: unknown, labels: JsonObject): boolean {
  const expressions = get(term, 'matchExpressions');
  return Array.isArray(expressions) && expressions.every((expression) => isMet(expression, labels));
}

function isMet(expression: unknown, labels: JsonObject): boolean {
  const value = get(labels, String(get(expression, 'key')));
  const list = get(expression, 'values');
  const values: readonly unknown[] = Array.isArray(list) ? list : [];
  switch (get(expression, 'operator')) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
      return Number(value) > Number(values[0]);
    case 'Lt':
      return Number(value) < Number(values[0]);
    default:
      return false;
  }
}
