/**
 * A program that gives up its rights as the agent does, and then tries the
 * things that its first argument names; writes what became of them.
 *
 * @module
 */

import { dropPermissions } from "../../src/base/drop_permissions.ts";
import { type Probe, tryProbe } from "./probe.ts";

const { sockets, probes } = JSON.parse(Deno.args[0] ?? "{}") as {
  readonly sockets: readonly string[];
  readonly probes: readonly Probe[];
};
await dropPermissions({ sockets, after: [] });
const results: string[] = [];
for (const probe of probes) results.push(await tryProbe(probe));
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(results)));
