/**
 * Whether a port can be reached at all, whatever listens there.
 *
 * @module
 */

import { Deadline } from "../../base/abortable.ts";
import { hostOf, portOf } from "../../base/url.ts";

/** How long a member may take to accept a connection. */
const CONNECT_MS = 1_000;

/** Whether something accepts connections at a member's URL. */
export async function acceptsConnection(
  url: string,
  { signal }: { readonly signal: AbortSignal },
): Promise<boolean> {
  using deadline = new Deadline(CONNECT_MS, () => new Error("No answer"), [
    signal,
  ]);
  try {
    const connection = await Deno.connect({
      hostname: hostOf(url),
      port: portOf(url),
      signal: deadline.signal,
    });
    connection.close();
    return true;
  } catch {
    return false;
  }
}
