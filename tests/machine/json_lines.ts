/**
 * Messages between a test and its child programs: a line of JSON each.
 *
 * @module
 */

/** The lines of a stream of JSON; one that was cut off at the end is left out. */
export async function* jsonLines(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<unknown> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield JSON.parse(line);
  }
}

/** Writes a line to stdout; it is in the pipe when this returns, so that a kill cannot lose it. */
export function sayLine(line: unknown): void {
  const bytes = new TextEncoder().encode(JSON.stringify(line) + "\n");
  for (let sent = 0; sent < bytes.length;) {
    sent += Deno.stdout.writeSync(bytes.subarray(sent));
  }
}
