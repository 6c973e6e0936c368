/**
 * Downloads from a server that redirects to where it should not: a program for
 * a network of its own, in which the addresses of clouds' metadata services are
 * this program's. Prints as JSON which of them was asked.
 *
 * @module
 */

import { download } from "../../../src/etcd/release/download.ts";
import { messageOf } from "../../../src/base/errors.ts";

/** What became of one redirect. */
export interface RedirectOutcome {
  /** Where it led. */
  readonly target: string;
  /** Whether a server that is not public was asked. */
  readonly reached: boolean;
  /** Whether the public server was asked. */
  readonly welcomed: boolean;
  /** Why the download failed, as it always does. */
  readonly error: string;
}

/** Options of the program, as JSON. */
export interface RoomOptions {
  /** The public address of the server that redirects. */
  readonly origin: string;
  /** The address of another public server, which a name has at first. */
  readonly decoy: string;
  /** The addresses that are not public; a name has the first of them later. */
  readonly secrets: readonly [string, ...string[]];
  /** Where to redirect to, without a path. */
  readonly targets: readonly string[];
  /** Where to write what is downloaded. */
  readonly dir: string;
}

/** The port of what must not be reached. */
const PORT = 8080;

async function visit(
  { origin, decoy, secrets, targets, dir }: RoomOptions,
): Promise<RedirectOutcome[]> {
  const reached = new Set<string>();
  const welcomed = new Set<string>();
  await using stack = new AsyncDisposableStack();
  for (const hostname of [decoy, ...secrets]) {
    const asked = hostname === decoy ? welcomed : reached;
    stack.use(
      Deno.serve({ hostname, port: PORT, onListen() {} }, ({ url }) => {
        asked.add(new URL(url).pathname);
        return new Response("content");
      }),
    );
  }
  await using _origin = Deno.serve({
    hostname: origin,
    port: 80,
    onListen() {},
  }, (request) => {
    const index = Number(new URL(request.url).pathname.slice(1));
    const location = `${targets[index]}:${PORT}/${index}`;
    return new Response(null, { status: 302, headers: { location } });
  });
  using _names = answerNames([decoy, secrets[0]]);
  const outcomes: RedirectOutcome[] = [];
  for (const [index, target] of targets.entries()) {
    const error = await download(new URL(`http://${origin}/${index}`), {
      to: `${dir}/${index}`,
      sha256: "0".repeat(64),
      limits: { attempts: 1, answerMs: 5_000, firstPauseMs: 1 },
    }).then(() => "none", messageOf);
    outcomes.push({
      target,
      error,
      reached: reached.has(`/${index}`),
      welcomed: welcomed.has(`/${index}`),
    });
  }
  return outcomes;
}

/** A name server that tells one address at first and another from then on, for every name. */
function answerNames(addresses: readonly [string, string]): Disposable {
  const socket = Deno.listenDatagram({
    transport: "udp",
    hostname: "127.0.0.1",
    port: 53,
  });
  let asked = 0;
  (async () => {
    for await (const [query, from] of socket) {
      // The question's end: labels, then two bytes each of type and class.
      const end = query.indexOf(0, 12) + 5;
      const isIpv4 = query[end - 3] === 1;
      const address = addresses[asked > 0 ? 1 : 0];
      if (isIpv4) asked += 1;
      const header = [0x81, 0x80, 0, 1, 0, isIpv4 ? 1 : 0, 0, 0, 0, 0];
      const bytes = (address ?? "").split(".").map(Number);
      const record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...bytes];
      const answer = Uint8Array.from([
        ...query.subarray(0, 2),
        ...header,
        ...query.subarray(12, end),
        ...isIpv4 ? record : [],
      ]);
      await socket.send(answer, from);
    }
  })().catch(() => {});
  return { [Symbol.dispose]: () => socket.close() };
}

if (import.meta.main) {
  const outcomes = await visit(JSON.parse(Deno.args[0] ?? ""));
  await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(outcomes)));
  Deno.exit(0);
}
