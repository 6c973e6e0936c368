/**
 * A TCP proxy that can cut, pause and delay what passes through it.
 *
 * @module
 */

import { sleep } from "../machine/sleep.ts";

/** A running proxy; disposing ends it with all its connections. */
export interface TcpProxy extends AsyncDisposable {
  /** The URL to connect to instead of the target's. */
  readonly endpoint: string;
  /** Ends all connections now; new ones are taken. */
  readonly cut: () => void;
  /** Lets no byte through in either direction, as a cable that was pulled. */
  readonly pause: () => void;
  /** Lets requests through and holds answers back. */
  readonly pauseAnswers: () => void;
  /** Lets everything through again, first what was held back. */
  readonly resume: () => void;
  /** Waits until at least one answer is being held back. */
  readonly answerHeld: () => Promise<void>;
  /** From now on lets each piece wait this long, in milliseconds; 0 ends it. */
  readonly delay: (ms: number) => void;
  /** How many pieces were held back or delayed, and connections cut, so far. */
  readonly disturbed: number;
}

/** Starts a proxy in front of a port on this machine. */
export function startTcpProxy(
  targetPort: number,
  targetHost = "127.0.0.1",
): TcpProxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const open = new Set<Deno.Conn>();
  const tasks = new Set<Promise<void>>();
  const gates = { requests: openGate(), answers: openGate() };
  let held = Promise.withResolvers<void>();
  let delayMs = 0;
  let disturbed = 0;

  async function pump(
    from: Deno.Conn,
    to: Deno.Conn,
    direction: "requests" | "answers",
  ): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    try {
      while (true) {
        const count = await from.read(buffer);
        if (count === null) break;
        if (gates[direction].closed && direction === "answers") held.resolve();
        if (gates[direction].closed || delayMs > 0) disturbed++;
        if (delayMs > 0) await sleep(delayMs);
        await gates[direction].passage.promise;
        for (let sent = 0; sent < count;) {
          sent += await to.write(buffer.subarray(sent, count));
        }
      }
    } catch {
      // The other side is gone, or the proxy was told to cut.
    } finally {
      closeQuietly(from);
      closeQuietly(to);
    }
  }

  async function accept(): Promise<void> {
    for await (const client of listener) {
      try {
        const target = await Deno.connect({
          hostname: targetHost,
          port: targetPort,
        });
        open.add(client).add(target);
        track(pump(client, target, "requests"));
        track(pump(target, client, "answers"));
      } catch {
        closeQuietly(client);
      }
    }
  }

  function track(task: Promise<void>): void {
    tasks.add(task);
    task.finally(() => tasks.delete(task));
  }

  function closeQuietly(connection: Deno.Conn): void {
    open.delete(connection);
    try {
      connection.close();
    } catch {
      // It is closed already.
    }
  }

  const accepting = accept();
  const setGate = (direction: "requests" | "answers", closed: boolean) => {
    const gate = gates[direction];
    if (gate.closed === closed) return;
    gate.closed = closed;
    if (closed) gate.passage = Promise.withResolvers();
    else gate.passage.resolve();
  };
  const cut = () => {
    disturbed += open.size;
    for (const connection of [...open]) closeQuietly(connection);
  };
  const resume = () => {
    setGate("requests", false);
    setGate("answers", false);
    held = Promise.withResolvers();
  };
  return {
    endpoint: `http://127.0.0.1:${port}`,
    cut,
    pause() {
      setGate("requests", true);
      setGate("answers", true);
    },
    pauseAnswers: () => setGate("answers", true),
    resume,
    answerHeld: () => held.promise,
    delay(ms) {
      delayMs = ms;
    },
    get disturbed() {
      return disturbed;
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting.catch(() => {});
      resume();
      cut();
      await Promise.all(tasks);
    },
  };
}

interface Gate {
  closed: boolean;
  passage: PromiseWithResolvers<void>;
}

function openGate(): Gate {
  const passage = Promise.withResolvers<void>();
  passage.resolve();
  return { closed: false, passage };
}
