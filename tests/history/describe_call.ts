/**
 * What a history says of a call to a store.
 *
 * @module
 */

import type { Compare, KV, Listing, Op } from "../../src/store/state_store.ts";
import type { KeyValue, OperationOf, Step } from "./history.ts";
import { valueText } from "./history_file.ts";

/** What a transaction asks for. */
export async function describeTransaction(
  checks: readonly Compare[],
  success: readonly Op[],
  failure: readonly Op[],
): Promise<
  Pick<OperationOf<"txn">, "f" | "compare" | "success" | "failure">
> {
  return {
    f: "txn",
    compare: checks.map(({ key, expectedVersion }) => ({
      key,
      expected_version: Number(expectedVersion),
    })),
    success: await Promise.all(success.map(toStep)),
    failure: await Promise.all(failure.map(toStep)),
  };
}

/** What the answer to a list says. */
export async function describeListing(listing: Listing) {
  const kvs = await Promise.all(listing.map(toKeyValue));
  const revision = Number(listing.revision);
  return { result: { kvs: kvs.filter((kv) => kv !== null), revision } };
}

/** What was found; null for nothing. */
export async function toKeyValue(kv: KV | undefined): Promise<KeyValue | null> {
  if (kv === undefined) return null;
  const { key, value, version } = kv;
  return { key, value: await valueText(value), version: Number(version) };
}

async function toStep(op: Op): Promise<Step> {
  if (op.type !== "put") return op;
  return { type: "put", key: op.key, value: await valueText(op.value) };
}
