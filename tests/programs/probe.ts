/**
 * Things that a program may or may not do.
 *
 * @module
 */

/** One of them. */
export type Probe =
  | { readonly kind: "read"; readonly path: string }
  | { readonly kind: "write"; readonly path: string }
  | { readonly kind: "connect"; readonly port: number }
  | { readonly kind: "fetch"; readonly url: string }
  | { readonly kind: "datagram" }
  | { readonly kind: "listen" }
  | { readonly kind: "run"; readonly program: string }
  | { readonly kind: "variable"; readonly name: string }
  | { readonly kind: "hostname" }
  | { readonly kind: "signal"; readonly pid: number }
  | { readonly kind: "library"; readonly path: string }
  | { readonly kind: "import"; readonly url: string };

/** Tries it; returns `done`, or the name of the error. */
export async function tryProbe(probe: Probe): Promise<string> {
  try {
    await attempt(probe);
    return "done";
  } catch (error) {
    if (!(error instanceof Error)) return String(error);
    // What Deno says of a module is a TypeError, whatever the reason.
    return /requires import access/i.test(error.message)
      ? "NotCapable"
      : error.name;
  }
}

async function attempt(probe: Probe): Promise<unknown> {
  switch (probe.kind) {
    case "read":
      return await Deno.readTextFile(probe.path);
    case "write":
      return await Deno.writeTextFile(probe.path, "written\n");
    case "connect":
      return (await Deno.connect({ hostname: "127.0.0.1", port: probe.port }))
        .close();
    case "fetch":
      return await (await fetch(probe.url, {
        signal: AbortSignal.timeout(1_000),
      }))
        .body?.cancel();
    case "datagram":
      return Deno.listenDatagram({
        hostname: "127.0.0.1",
        port: 0,
        transport: "udp",
      }).close();
    case "listen":
      return Deno.listen({ hostname: "127.0.0.1", port: 0 }).close();
    case "run":
      return await new Deno.Command(probe.program, {
        args: ["--version"],
        clearEnv: true,
        stdout: "null",
        stderr: "null",
      }).output();
    case "variable":
      return Deno.env.get(probe.name);
    case "hostname":
      return Deno.hostname();
    case "signal":
      return Deno.kill(probe.pid, "SIGCONT");
    case "library":
      return Deno.dlopen(probe.path, {}).close();
    case "import":
      return await import(probe.url);
  }
}
