/**
 * The spec as JSON: as the cluster stores it, without what is a node's own, and
 * as a node remembers it. What is read is checked as `cluster.kat` is: whoever
 * reaches the store may have written it.
 *
 * @module
 */

import { KatError, messageOf } from "../base/errors.ts";
import { checkEtcd, checkSpec } from "./check_spec.ts";
import type { ClusterSpec, EtcdSpec } from "./cluster_config.ts";
import type { Rule } from "./rule.ts";
import {
  OWN_ETCD_NAMES,
  OWN_NAMES,
  pick,
  type SharedSpec,
  sharedSpec,
} from "./shared_spec.ts";
import { ETCD_RULES, type PlainSpec, SPEC_RULES } from "./spec_rules.ts";
import type { FieldsOf } from "./yaml_mapping.ts";

type Values = Readonly<Record<string, unknown>>;

/** Returns JSON of what all nodes share, with the fields always in the same order. */
export function encodeSpec(spec: SharedSpec): string {
  return JSON.stringify(sharedSpec(spec));
}

/**
 * Reads what {@linkcode encodeSpec} wrote, or another agent's: fields that are
 * not known are left out, as those of a node's own, which agents of version 0.1
 * have stored as well.
 *
 * @throws {KatError} when the JSON is no spec, or `cluster.kat` could not say it.
 */
export function decodeSpec(json: string): SharedSpec {
  return readSharedSpec(parseObject(json));
}

/**
 * Checks a shared spec that is data already.
 *
 * @throws {KatError} as {@linkcode decodeSpec}.
 */
export function readSharedSpec(stored: unknown): SharedSpec {
  const { plain, etcd } = readFields(stored, { needsOwn: false });
  return sharedSpec({ ...plain, etcd } as ClusterSpec);
}

/**
 * Checks the whole spec that a node remembers.
 *
 * @throws {KatError} as {@linkcode decodeSpec}.
 */
export function readNodeSpec(stored: unknown): ClusterSpec {
  const { plain, etcd } = readFields(stored, { needsOwn: true });
  return { ...plain, etcd } as ClusterSpec;
}

function readFields(
  stored: unknown,
  { needsOwn }: { readonly needsOwn: boolean },
): { readonly plain: object; readonly etcd: object } {
  if (!isObject(stored)) throw damaged("it is no JSON object");
  const etcd = stored.etcd ?? {};
  if (!isObject(etcd)) throw damaged('its "etcd" is no object');
  const plainValues: Record<string, unknown> = {};
  for (const [name, rule] of Object.entries<Rule<unknown>>(SPEC_RULES)) {
    const isOwn = includes(OWN_NAMES, name);
    if (isOwn && !needsOwn && !Object.hasOwn(stored, name)) continue;
    const value = checkType(name, stored[name], rule);
    // It comes from a flag, or from the file, which was checked.
    plainValues[name] = name === "dataDir" && needsOwn
      ? value
      : checkValue(name, value, rule);
  }
  const etcdValues: Record<string, unknown> = {};
  for (const [name, rule] of Object.entries<Rule<unknown>>(ETCD_RULES)) {
    if (!Object.hasOwn(etcd, name)) continue;
    const path = `etcd.${name}`;
    const value = checkType(path, etcd[name], rule);
    // What is left out anyway may be of an agent that knows other releases.
    etcdValues[name] = includes(OWN_ETCD_NAMES, name) && !needsOwn
      ? value
      : checkValue(path, value, rule);
  }
  checkTogether(plainValues, etcdValues);
  return {
    plain: pick(plainValues, SPEC_RULES),
    etcd: pick(etcdValues, ETCD_RULES),
  };
}

/** The rules between fields, without those of a node's own: that is where it was started. */
function checkTogether(plain: Values, etcd: Values): void {
  const problems = {
    report: ({ path }: { readonly path: string }, message: string) => {
      throw damaged(`its "${path}": ${message}`);
    },
  };
  checkSpec(fieldsOf<PlainSpec>(SPEC_RULES, plain, OWN_NAMES), problems);
  checkEtcd(fieldsOf<EtcdSpec>(ETCD_RULES, etcd, OWN_ETCD_NAMES), problems);
}

function fieldsOf<T>(
  rules: object,
  values: Values,
  without: readonly string[],
): FieldsOf<T> {
  return Object.fromEntries(
    Object.keys(rules).map((path) => {
      const value = without.includes(path) ? undefined : values[path];
      const place = value === undefined ? undefined : { offset: 0, path };
      return [path, { value, place }];
    }),
  ) as unknown as FieldsOf<T>;
}

function parseObject(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw damaged(messageOf(error), error);
  }
}

function isObject(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function includes(names: readonly string[], name: string): boolean {
  return names.includes(name);
}

function checkType(
  name: string,
  value: unknown,
  rule: Rule<unknown>,
): string | number {
  if (rule.type === "string" && typeof value === "string") return value;
  if (rule.type === "integer" && isWhole(value)) return value;
  throw damaged(
    value === undefined
      ? `it has no "${name}"`
      : `its "${name}" is no ${
        rule.type === "string" ? "string" : "whole number"
      }`,
  );
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

/** The value as the rule writes it. */
function checkValue(
  name: string,
  value: string | number,
  rule: Rule<unknown>,
): unknown {
  const checked = rule.check(String(value));
  if ("value" in checked) return checked.value;
  throw damaged(
    `its "${name}" is ${
      typeof value === "number" ? value : checked.found
    }, wanted ${rule.wanted}`,
  );
}

function damaged(reason: string, cause?: unknown): KatError {
  return new KatError(`Cannot read the stored configuration: ${reason}`, {
    cause,
    hint: "Compare /kat/config/cluster_config with cluster.kat; " +
      "another program may have written it",
  });
}
