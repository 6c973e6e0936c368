/**
 * A program that gives up its rights as the agent does, and then tries the
 * things that its first argument names; writes what became of them. With
 * `afterwards` it then gives up what it kept, and tries those as well.
 *
 * @module
 */

import { dropPermissions } from "../../src/base/drop_permissions.ts";
import { type Probe, tryProbe } from "./probe.ts";

const { sockets, keep, probes, afterwards } = JSON.parse(
  Deno.args[0] ?? "{}",
) as {
  readonly sockets: readonly string[];
  readonly keep?: readonly "run"[];
  readonly probes: readonly Probe[];
  readonly afterwards?: readonly Probe[];
};
await dropPermissions({ sockets, after: [], keep });
const results: string[] = [];
for (const probe of probes) results.push(await tryProbe(probe));
if (afterwards) {
  await dropPermissions({ sockets, after: [] });
  for (const probe of afterwards) results.push(await tryProbe(probe));
}
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(results)));
