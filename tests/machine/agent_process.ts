/**
 * kat-agent as a process: its log as events to wait for, and its end.
 *
 * @module
 */

import { fail } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { type CommandResult, outputOf } from "./command_output.ts";
import { etcdBinaries } from "./tested_etcd.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** How long an event may take before a test gives up, in milliseconds. */
const EVENT_MS = 60_000;

/** One line of the log. */
export interface LogLine {
  /** The sentence. */
  readonly message: string;
  /** When it was logged, in milliseconds since 1970. */
  readonly timeMs: number;
  /** The level, as `info`. */
  readonly level: string;
  /** All fields of the line. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** How an agent ended. */
export interface AgentEnd {
  /** Its exit code; 128 and the signal's number if a signal ended it. */
  readonly code: number;
  /** The signal that ended it. */
  readonly signal: string | null;
  /** All that it wrote to stderr. */
  readonly stderr: string;
}

/** A running agent; disposing stops it in order, or kills it if it does not stop. */
export interface AgentProcess extends AsyncDisposable {
  /** Its process ID. */
  readonly pid: number;
  /** Resolves when it has ended. */
  readonly ended: Promise<AgentEnd>;
  /** The lines that it has logged so far. */
  readonly lines: readonly LogLine[];
  /** The first line, from the `after`th on, whose message starts with `message`; waits for it. */
  readonly logged: (message: string, after?: number) => Promise<LogLine>;
  /** Sends it a signal. */
  readonly kill: (signal: Deno.Signal) => void;
  /** Sends SIGTERM and waits for its end. */
  readonly stop: () => Promise<AgentEnd>;
}

/** Options of {@linkcode startAgent}. */
export interface AgentOptions {
  /** Its environment; PATH is empty unless it says otherwise. */
  readonly env?: Readonly<Record<string, string>>;
  /** A command that becomes the agent, as `ip netns exec NAME`. @default {[]} */
  readonly prefix?: readonly string[] | undefined;
}

/** A built agent to test, in place of the source. */
const BUILT_AGENT = Deno.env.get("KAT_TEST_AGENT");

/**
 * The command that runs the agent: the file in `KAT_TEST_AGENT`, or its source
 * with the permissions of the product.
 */
export function agentCommand(
  args: readonly string[],
  prefix: readonly string[] = [],
): [string, string[]] {
  const [first, ...rest] = [...prefix, ...commandLine(args)];
  return [first ?? Deno.execPath(), rest];
}

function commandLine(args: readonly string[]): string[] {
  return BUILT_AGENT ? [BUILT_AGENT, ...args] : sourceCommand(args);
}

/** The command that runs the agent's source with the permissions of the product. */
export function sourceCommand(args: readonly string[]): string[] {
  return [
    Deno.execPath(),
    "run",
    "--frozen",
    "--no-prompt",
    `--config=${ROOT}deno.json`,
    "-P=agent",
    `${ROOT}main.ts`,
    ...args,
  ];
}

/** Starts the agent with the etcd under test; its log is JSON. */
export function startAgent(
  args: readonly string[],
  { env = {}, prefix }: AgentOptions = {},
): AgentProcess {
  const [command, commandArgs] = agentCommand(args, prefix);
  const child = new Deno.Command(command, {
    args: commandArgs,
    clearEnv: true,
    env: {
      HOME: Deno.env.get("HOME") ?? "/",
      ...denoEnvironment(),
      KAT_LOG_FORMAT: "json",
      KAT_ETCD_BINARY: etcdBinaries.etcd,
      ...registerBeside(args, env),
      ...env,
    },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const lines: LogLine[] = [];
  let stderr = "";
  let ended = false;
  let changed = Promise.withResolvers<void>();

  const reading = (async () => {
    let rest = "";
    for await (
      const text of child.stderr.pipeThrough(new TextDecoderStream())
    ) {
      stderr += text;
      const parts = (rest + text).split("\n");
      rest = parts.pop() ?? "";
      lines.push(...parts.map(parseLine).filter((line) => line !== undefined));
      changed.resolve();
      changed = Promise.withResolvers();
    }
  })();
  const end = (async () => {
    const { code, signal } = await child.status;
    await reading;
    ended = true;
    changed.resolve();
    return { code, signal, stderr };
  })();

  async function logged(message: string, after = 0): Promise<LogLine> {
    const endMs = performance.now() + EVENT_MS;
    while (true) {
      const line = lines.slice(after).find((one) =>
        one.message.startsWith(message)
      );
      if (line) return line;
      if (ended) fail(`The agent ended before "${message}":\n${stderr}`);
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) fail(`"${message}" was not logged:\n${stderr}`);
      await within(changed.promise, leftMs);
    }
  }

  function kill(signal: Deno.Signal): void {
    try {
      child.kill(signal);
    } catch {
      // It has ended already.
    }
  }

  async function stop(): Promise<AgentEnd> {
    kill("SIGTERM");
    return await end;
  }

  return {
    pid: child.pid,
    ended: end,
    lines,
    logged,
    kill,
    stop,
    async [Symbol.asyncDispose]() {
      kill("SIGCONT");
      kill("SIGTERM");
      await within(end.then(() => {}), 20_000);
      kill("SIGKILL");
      await end;
    },
  };
}

/** After this long a command that should have ended by itself is told to. */
const COMMAND_MS = 60_000;

/** Runs the agent's program to its end, or stops it after a minute. */
export async function runAgent(
  args: readonly string[],
  { env = {}, prefix }: AgentOptions = {},
): Promise<CommandResult> {
  const [command, commandArgs] = agentCommand(args, prefix);
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), COMMAND_MS);
  const result = await outputOf(
    new Deno.Command(command, {
      args: commandArgs,
      clearEnv: true,
      env: {
        HOME: Deno.env.get("HOME") ?? "/",
        ...denoEnvironment(),
        ...registerBeside(args, env),
        ...env,
      },
      stdin: "null",
      signal: late.signal,
    }),
  );
  clearTimeout(timer);
  return result;
}

/** A register of nodes that goes with the data directory, beside it: none of the machine's own is touched. */
function registerBeside(
  args: readonly string[],
  { KAT_DATA_DIR }: Readonly<Record<string, string>>,
): Record<string, string> {
  const at = args.findIndex((arg) => arg.startsWith("--data-dir"));
  const [, value = args[at + 1]] = args[at]?.split("=") ?? [];
  const data = at < 0 ? KAT_DATA_DIR : value;
  return data === undefined ? {} : { KAT_STATE_DIR: `${data}.state` };
}

/** What Deno itself needs to find its cache, or the built file to find its own. */
function denoEnvironment(): Record<string, string> {
  const names = BUILT_AGENT
    ? ["KAT_CACHE_DIR"]
    : ["DENO_DIR", "XDG_CACHE_HOME", "NPM_CONFIG_REGISTRY"];
  const entries = names.map((name) => [name, Deno.env.get(name)] as const)
    .filter((entry): entry is [string, string] => entry[1] !== undefined);
  const audit = Deno.env.get("KAT_TEST_AUDIT");
  return {
    ...Object.fromEntries(entries),
    // The runtime's own warnings then come without colours.
    NO_COLOR: "1",
    ...(audit
      ? { DENO_AUDIT_PERMISSIONS: `${audit}/${crypto.randomUUID()}` }
      : {}),
  };
}

function parseLine(text: string): LogLine | undefined {
  if (!text.startsWith("{")) return undefined;
  const fields = JSON.parse(text);
  return {
    message: fields.message,
    timeMs: Date.parse(fields.time),
    level: fields.level,
    fields,
  };
}

async function within(promise: Promise<void>, ms: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([promise, late]);
  clearTimeout(timer);
}
