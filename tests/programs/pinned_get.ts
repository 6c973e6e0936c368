/**
 * Asks URLs at this machine's address by the agent's own request, and prints the
 * statuses or errors as JSON.
 *
 * @module
 */

import { messageOf } from "../../src/base/errors.ts";
import { requestAt } from "../../src/etcd/release/pinned_request.ts";

const said: unknown[] = [];
for (const url of Deno.args) {
  const answer = requestAt(new URL(url), {
    addresses: ["127.0.0.1"],
    headers: {},
    signal: AbortSignal.timeout(10_000),
  });
  said.push(await answer.then(({ status }) => status, messageOf));
}
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(said)));
Deno.exit(0);
