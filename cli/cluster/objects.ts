import { BindingError, messageOf } from '../../shared/errors.ts';
import { get, isObject, type JsonObject } from '../../shared/json.ts';

/** A node of the cluster. */
export interface ClusterNode {
  readonly name: string;
  readonly labels: JsonObject;
  /** Why the node is not ready; null if it is. */
  readonly notReady: string | null;
}

/** A pod, as far as its result and its place matter. */
export interface ClusterPod {
  readonly name: string;
  readonly labels: JsonObject;
  /** Empty until the pod has a node. */
  readonly node: string;
  readonly phase: string;
  /** The kubelet's or the scheduler's reason, and why the container waits; empty if unknown. */
  readonly reason: string;
  /** Exit status of its only container; null while it has none. */
  readonly exitCode: number | null;
}

/** Parses a reply of the API server. @throws {BindingError} INVALID_JSON */
export function parseReply(what: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BindingError('INVALID_JSON', `Cannot ${what}: the reply is not JSON: ${messageOf(cause)}`, {
      cause,
    });
  }
}

export const itemsOf = (list: unknown): readonly unknown[] => {
  const items = get(list, 'items');
  return Array.isArray(items) ? items : [];
};

/** Token of the next part of a list; empty after the last. */
export const continueOf = (list: unknown): string => textAt(list, 'metadata', 'continue');

export function toNode(node: unknown): ClusterNode {
  const ready = conditionsOf(node).find((condition) => get(condition, 'type') === 'Ready');
  return {
    name: textAt(node, 'metadata', 'name'),
    labels: labelsOf(node),
    notReady:
      get(ready, 'status') === 'True'
        ? null
        : textAt(ready, 'message').replace(/\.$/, '') || 'the kubelet has not reported',
  };
}

export function toPod(pod: unknown): ClusterPod {
  const statuses = get(pod, 'status', 'containerStatuses');
  const state = Array.isArray(statuses) ? get(statuses[0], 'state') : undefined;
  const exitCode = get(state, 'terminated', 'exitCode');
  const unscheduled = conditionsOf(pod).find((condition) => get(condition, 'status') === 'False');
  const reasons = [
    [textAt(pod, 'status', 'reason'), textAt(pod, 'status', 'message')],
    [textAt(state, 'waiting', 'reason'), textAt(state, 'waiting', 'message')],
    [textAt(unscheduled, 'message')],
  ].map((parts) => parts.filter((part) => part !== '').join(': '));
  return {
    name: textAt(pod, 'metadata', 'name'),
    labels: labelsOf(pod),
    node: textAt(pod, 'spec', 'nodeName'),
    phase: textAt(pod, 'status', 'phase'),
    reason: reasons.find((reason) => reason !== '') ?? '',
    exitCode: typeof exitCode === 'number' ? exitCode : null,
  };
}

/** Text at a path of keys; empty if there is none. */
export function textAt(value: unknown, ...keys: readonly string[]): string {
  const text = get(value, ...keys);
  return typeof text === 'string' ? text : '';
}

function labelsOf(object: unknown): JsonObject {
  const labels = get(object, 'metadata', 'labels');
  return isObject(labels) ? labels : {};
}

function conditionsOf(object: unknown): readonly unknown[] {
  const conditions = get(object, 'status', 'conditions');
  return Array.isArray(conditions) ? conditions : [];
}
