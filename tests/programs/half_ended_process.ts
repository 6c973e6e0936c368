/**
 * A program that is half ended: its first thread is gone, another keeps a file
 * open and locked until it is told to end. A killed process is in the same state
 * while one of its threads waits for the disk. Linux only.
 *
 * @module
 */

/** The number of the system call that ends one thread. */
const EXIT = Deno.build.arch === "x86_64" ? 60 : 93;

const isWorker = "DedicatedWorkerGlobalScope" in globalThis;

if (!isWorker) {
  const [path = ""] = Deno.args;
  const file = Deno.openSync(path, { read: true, write: true });
  file.lockSync(true);
  const worker = new Worker(import.meta.url, { type: "module" });
  worker.onmessage = () => {
    Deno.stdout.writeSync(new TextEncoder().encode("ready\n"));
    const libc = Deno.dlopen("libc.so.6", {
      syscall: { parameters: ["i64", "i64"], result: "i64" },
    });
    libc.symbols.syscall(BigInt(EXIT), 0n);
  };
} else {
  const libc = Deno.dlopen("libc.so.6", {
    _exit: { parameters: ["i32"], result: "void" },
  });
  (globalThis as unknown as { postMessage(message: unknown): void })
    .postMessage("ready");
  // The end of stdin: an orderly exit would wait for the thread that is gone.
  const byte = new Uint8Array(1);
  while (Deno.stdin.readSync(byte) !== null);
  libc.symbols._exit(0);
}
