/**
 * What a node may be called.
 *
 * @module
 */

import { UsageError } from "../base/errors.ts";
import { isDnsName } from "./dns_name.ts";
import { quote } from "./rule.ts";

/**
 * Returns `text` if it can name a node: it becomes a part of keys and of
 * etcd's own arguments.
 *
 * @throws {UsageError} when it cannot.
 */
export function parseNodeName(text: string): string {
  if (isDnsName(text)) return text;
  throw new UsageError(`Cannot use ${quote(text)} as a node's name`, {
    hint: 'Give --node-name a host name in lower case: a-z, 0-9, "-" and ' +
      "dots between labels of at most 63 characters",
  });
}
