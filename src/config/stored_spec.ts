/**
 * The spec as the cluster stores it: JSON with every default written out.
 *
 * @module
 */

import { KatError, messageOf } from "../base/errors.ts";
import type { ClusterSpec } from "./cluster_config.ts";
import type { Rule } from "./rule.ts";
import { ETCD_RULES, SPEC_RULES } from "./spec_rules.ts";

/** Returns JSON with the fields always in the same order. */
export function encodeSpec(spec: ClusterSpec): string {
  return JSON.stringify(orderSpec(spec));
}

/** Returns a copy with the fields in the order of the rules. */
export function orderSpec(spec: ClusterSpec): ClusterSpec {
  return {
    ...pick(spec, SPEC_RULES),
    etcd: pick(spec.etcd, ETCD_RULES),
  } as ClusterSpec;
}

/**
 * Reads what {@linkcode encodeSpec} wrote, or a newer agent's: fields that are
 * not known are left out, and values are checked for their type only, since
 * the agent that stored them may allow more.
 *
 * @throws {KatError} when the JSON is no spec.
 */
export function decodeSpec(json: string): ClusterSpec {
  const stored = parseObject(json);
  const etcd = stored.etcd ?? {};
  if (!isObject(etcd)) throw damaged('its "etcd" is no object');
  for (const [name, rule] of Object.entries<Rule<unknown>>(SPEC_RULES)) {
    checkType(name, stored[name], rule);
  }
  for (const [name, rule] of Object.entries<Rule<unknown>>(ETCD_RULES)) {
    if (Object.hasOwn(etcd, name)) checkType(`etcd.${name}`, etcd[name], rule);
  }
  return {
    ...pick(stored, SPEC_RULES),
    etcd: pick(etcd, ETCD_RULES),
  } as ClusterSpec;
}

function parseObject(json: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw damaged(messageOf(error), error);
  }
  if (!isObject(value)) throw damaged("it is no JSON object");
  return value;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function checkType(name: string, value: unknown, rule: Rule<unknown>): void {
  const isRight = rule.type === "string"
    ? typeof value === "string"
    : Number.isSafeInteger(value);
  if (isRight) return;
  throw damaged(
    value === undefined
      ? `it has no "${name}"`
      : `its "${name}" is no ${
        rule.type === "string" ? "string" : "whole number"
      }`,
  );
}

/** The fields of `object` that `rules` names, in their order. */
function pick(object: object, rules: object): object {
  const values = new Map(Object.entries(object));
  return Object.fromEntries(
    Object.keys(rules)
      .filter((name) => values.get(name) !== undefined)
      .map((name) => [name, values.get(name)]),
  );
}

function damaged(reason: string, cause?: unknown): KatError {
  return new KatError(`Cannot read the stored configuration: ${reason}`, {
    cause,
    hint: "Compare /kat/config/cluster_config with cluster.kat; " +
      "another program may have written it",
  });
}
