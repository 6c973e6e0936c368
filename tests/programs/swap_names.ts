/**
 * An attacker: exchanges names in a directory as fast as it can until it is
 * killed. Its argument is the JSON of {@linkcode Swaps}. It imports nothing at
 * run time, so that a copy of it runs as any user.
 *
 * @module
 */

/** What is exchanged. */
export interface Swaps {
  /**
   * `file`: a link to `secret`, a link to nothing beside it, a file, nothing;
   * `directory`: a link to `secret`, a directory, nothing; `exchange`: what it
   * is and what `secret` is.
   */
  readonly kind: "file" | "directory" | "exchange";
  /** The name whose meaning changes. */
  readonly name: string;
  /** What a victim is to be led to. */
  readonly secret: string;
}

/** How long a name is what it is, at most: a victim sees one thing and then another. */
const LINK_MS = 1;
const OTHER_MS = 0.2;
/** What a script takes between two of its commands. */
const EXCHANGE_MS = 4;

if (import.meta.main) {
  const { kind, name, secret } = JSON.parse(Deno.args[0] ?? "") as Swaps;
  const next = `${name}.swap`;
  let gone = 0;
  // What a victim has put something into can only be moved.
  const away = () =>
    attempt(
      () => Deno.removeSync(name),
      () => attempt(() => Deno.renameSync(name, `${name}.gone${++gone}`)),
    );
  const moved = () => attempt(() => Deno.renameSync(next, name));
  Deno.stdout.writeSync(new TextEncoder().encode("swapping\n"));
  while (kind === "exchange") {
    attempt(() => Deno.renameSync(name, next));
    attempt(() => Deno.renameSync(secret, name));
    dwell(EXCHANGE_MS);
    attempt(() => Deno.renameSync(name, secret));
    attempt(() => Deno.renameSync(next, name));
    dwell(EXCHANGE_MS);
  }
  while (true) {
    attempt(() => Deno.symlinkSync(secret, next));
    moved();
    dwell(LINK_MS);
    away();
    if (kind === "file") {
      dwell(OTHER_MS);
      attempt(() => Deno.symlinkSync(`${secret}.new`, next));
      moved();
      attempt(() => Deno.writeTextFileSync(next, "1\n"));
      moved();
    } else {
      attempt(() => Deno.mkdirSync(name));
    }
    dwell(OTHER_MS);
    away();
  }
}

function dwell(mostMs: number): void {
  const endMs = performance.now() + Math.random() * mostMs;
  while (performance.now() < endMs);
}

/** The victim works on the same names. */
function attempt(action: () => void, otherwise?: () => void): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) otherwise?.();
  }
}
