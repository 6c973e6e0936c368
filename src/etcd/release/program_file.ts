/**
 * Checks from the first bytes of a file whether this machine can run it.
 *
 * The kernel's refusal is not enough: a file that the kernel refuses, such as a
 * program for another processor, is then run by the shell as a script.
 *
 * @module
 */

import { KatError, messageOf } from "../../base/errors.ts";

const MACHINES: Readonly<Record<number, string>> = {
  0x3e: "x86_64",
  0xb7: "aarch64",
};
/** Mach-O for one processor, and for several. */
const MACH_O: readonly number[] = [0xcffaedfe, 0xcafebabe];
/** The bytes of an ELF header up to and with e_machine. */
const HEADER_BYTES = 20;

/**
 * Refuses a file that is not a program for this machine. A script passes. If it
 * starts etcd, it must replace itself (`exec etcd "$@"`): otherwise stopping
 * the script would not stop etcd.
 *
 * @throws {KatError} if the file is missing, not a file, not executable, or
 * made for another system.
 */
export async function assertRunnable(path: string): Promise<void> {
  const header = new DataView(new ArrayBuffer(HEADER_BYTES));
  try {
    const { isFile, mode } = await Deno.stat(path);
    if (!isFile) throw refusal(path, "it is not a file");
    if (mode !== null && (mode & 0o111) === 0) {
      throw refusal(path, "it is not executable", `Try: chmod +x ${path}`);
    }
    using file = await Deno.open(path);
    await file.read(new Uint8Array(header.buffer));
  } catch (error) {
    if (error instanceof KatError) throw error;
    const why = error instanceof Deno.errors.NotFound
      ? "there is no such file"
      : error instanceof Deno.errors.PermissionDenied
      ? "no permission to read it"
      : messageOf(error);
    throw refusal(path, why, undefined, error);
  }
  const why = foreignReason(header);
  if (why !== undefined) throw refusal(path, why);
}

/** Why this machine cannot run a file that begins so; `undefined` if it can. */
function foreignReason(header: DataView): string | undefined {
  if (header.getUint16(0) === 0x2321) return undefined; // "#!"
  const magic = header.getUint32(0);
  const { os, arch } = Deno.build;
  if (magic === 0x7f454c46) { // "\x7fELF"
    if (os !== "linux") return "it is a program for Linux";
    const machine = header.getUint16(18, true);
    const name = MACHINES[machine] ?? `another processor (${machine})`;
    return name === arch
      ? undefined
      : `it is a program for ${name}, and this machine is ${arch}`;
  }
  if (MACH_O.includes(magic)) {
    return os === "darwin" ? undefined : "it is a program for macOS";
  }
  return "it is not a program";
}

function refusal(
  path: string,
  why: string,
  hint =
    "Give another etcd with --etcd-binary, or leave it out: kat-agent then fetches etcd",
  cause?: unknown,
): KatError {
  return new KatError(`Cannot run ${JSON.stringify(path)}: ${why}`, {
    hint,
    cause,
  });
}
