/**
 * The agent with one of its threads taken over, as by a package that turned
 * evil: the same source, but a program of the test's runs in that thread first.
 *
 * It knows nothing of the messages between the threads but that they are sent:
 * it changes what it finds in them.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { copyTree } from "../../machine/copy_tree.ts";
import { tempDir } from "../../machine/temp_dir.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

/** A thread of the agent. */
export type ThreadName = "store" | "member";

/** The agent with a thread that lies; disposing removes its source. */
export interface LyingAgent extends AsyncDisposable {
  /** For `startAgent`: runs this agent in place of the one under test. */
  readonly prefix: readonly string[];
}

/** Skips the command of the agent under test and runs another with its arguments. */
const INSTEAD = `
case " $* " in
*"/main.ts "*) while [ "\${1%/main.ts}" = "$1" ]; do shift; done ;;
esac
shift
exec "$0" run --quiet --frozen --no-prompt "--config=$KAT_LYING/deno.json" \\
  -P=agent "$KAT_LYING/main.ts" "$@"
`;

/**
 * Copies the source and puts `program` before what runs in `thread`. It may use
 * {@linkcode LIES}.
 */
export async function lyingAgent(
  thread: ThreadName,
  program: string,
): Promise<LyingAgent> {
  const dir = await tempDir();
  for (const name of ["main.ts", "deno.json", "deno.lock", "src"]) {
    await copyTree(`${ROOT}${name}`, `${dir.path}/${name}`);
  }
  const worker = await findWorker(`${dir.path}/src`, `${thread}_worker.ts`);
  await Deno.rename(worker, worker.replace(/_worker\.ts$/, "_honest.ts"));
  await Deno.writeTextFile(
    worker.replace(/_worker\.ts$/, "_lies.js"),
    LIES + program,
  );
  await Deno.writeTextFile(
    worker,
    `import "./${thread}_lies.js";\nimport "./${thread}_honest.ts";\n`,
  );
  return {
    prefix: [
      "/usr/bin/env",
      `KAT_LYING=${dir.path}`,
      "/bin/sh",
      "-c",
      INSTEAD,
      Deno.execPath(),
    ],
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

async function findWorker(directory: string, name: string): Promise<string> {
  for await (const entry of Deno.readDir(directory)) {
    const path = `${directory}/${entry.name}`;
    if (entry.isFile && entry.name === name) return path;
    if (!entry.isDirectory) continue;
    const found = await findWorker(path, name).catch(() => undefined);
    if (found !== undefined) return found;
  }
  throw new Error(`There is no ${name} to take over below ${directory}`);
}

/**
 * What a program has: `lie(change)` lets all that is sent pass through a
 * function that gets each object inside and returns what to send instead;
 * `say(message)` sends anything; `after(field, act)` acts once, when something
 * with that field was sent or ten seconds have passed.
 */
export const LIES = `
const changes = [];
const send = globalThis.postMessage.bind(globalThis);
const sendOnPort = MessagePort.prototype.postMessage;
function twisted(value) {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(twisted);
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  const inner = Object.fromEntries(
    Object.entries(value).map(([name, one]) => [name, twisted(one)]),
  );
  return changes.reduce((now, change) => change(now) ?? now, inner);
}
globalThis.postMessage = (message, ...rest) => send(twisted(message), ...rest);
MessagePort.prototype.postMessage = function (message, ...rest) {
  return sendOnPort.call(this, twisted(message), ...rest);
};
function lie(change) { changes.push(change); }
function say(message) { send(message); }
function after(field, act) {
  let done = false;
  const once = () => {
    if (!done) act();
    done = true;
  };
  setTimeout(once, 10_000);
  lie((object) => {
    if (field in object) setTimeout(once, 0);
    return object;
  });
}
`;
