/**
 * Collects what the product logs in this process.
 *
 * @module
 */

import { startLogging } from "../../src/base/logging/start_logging.ts";

/** One line, with its fields beside these. */
export interface LogLine extends Readonly<Record<string, unknown>> {
  /** As `info`. */
  readonly level: string;
  /** The sentence. */
  readonly message: string;
}

/** Takes what is logged at `info` and above; disposing ends that. */
export async function logLines(): Promise<
  AsyncDisposable & { readonly lines: readonly LogLine[] }
> {
  const lines: LogLine[] = [];
  const log = await startLogging({
    format: "json",
    level: "info",
    colors: false,
    write: (bytes) => {
      const text = new TextDecoder().decode(bytes).trim();
      lines.push(...text.split("\n").map((line) => JSON.parse(line)));
      return Promise.resolve();
    },
    journal: undefined,
  });
  return {
    lines,
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  };
}
