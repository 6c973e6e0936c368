/**
 * A server on the network cannot have a download ask what only this machine
 * reaches; what was checked is what is connected to.
 *
 * @module
 */

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { tempDir } from "../machine/temp_dir.ts";
import type { RedirectOutcome, RoomOptions } from "./fakes/redirect_room.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const ORIGIN = "198.51.100.7";
const DECOY = "198.51.100.8";
const METADATA = "169.254.169.254";

/** Addresses that are not public, of a network of the test's own. */
const SECRETS = [
  METADATA,
  "127.0.0.1",
  "::1",
  "100.100.100.200",
  "192.0.0.192",
  "fd00:ec2::254",
  "fd20:ce::254",
  "64:ff9b::a9fe:a9fe",
  "64:ff9b::7f00:1",
  "64:ff9b:1::a9fe:a9fe",
  "2002:a9fe:a9fe::1",
  "2002:7f00:1::1",
  "fec0::1",
  "2001:0:a9fe:a9fe::1",
] as const;

/** What names lead to there. */
const NAMES = {
  "mirror.example": [DECOY],
  "metadata.example": [METADATA],
  "metadata.google.internal": [METADATA],
  "dotted.example": [METADATA],
  "loopback.example": ["127.0.0.1"],
  "loopback6.example": ["::1"],
  "aws6.example": ["fd00:ec2::254"],
  "nat64.example": ["64:ff9b::a9fe:a9fe"],
  "both.example": [METADATA, DECOY],
} as const;

/** Where no download may be sent. */
const FORBIDDEN = [
  `http://${METADATA}`,
  "http://100.100.100.200",
  "http://192.0.0.192",
  "http://[fd00:ec2::254]",
  "http://[fd20:ce::254]",
  "http://[64:ff9b::a9fe:a9fe]",
  "http://[64:ff9b::169.254.169.254]",
  "http://[64:ff9b::127.0.0.1]",
  "http://[64:ff9b:1::a9fe:a9fe]",
  "http://[2002:a9fe:a9fe::1]",
  "http://[2002:7f00:1::1]",
  "http://[fec0::1]",
  "http://[2001:0:a9fe:a9fe::1]",
  "http://metadata.example",
  "http://metadata.google.internal",
  "http://dotted.example.",
  "http://loopback.example",
  "http://loopback6.example",
  "http://aws6.example",
  "http://nat64.example",
  // A name that leads to a public address when it is checked, and then no more.
  "http://rebinding.test",
];

const whyNot = await whyNoRoom();
if (whyNot !== undefined) {
  const text = `\n*** NOT TESTED: redirects to metadata, because ${whyNot}\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}

async function whyNoRoom(): Promise<string | undefined> {
  if (Deno.build.os !== "linux") return "this is not Linux";
  const { success, stderr } = await new Deno.Command("unshare", {
    args: ["--net", "--mount", "ip", "link", "set", "lo", "up"],
  }).output().catch(() => ({ success: false, stderr: new Uint8Array() }));
  return success
    ? undefined
    : new TextDecoder().decode(stderr) || "unshare is missing";
}

/** Makes the addresses and names, then becomes the program. */
const ENTER = `
set -e
ip link set lo up
for address in ${[ORIGIN, DECOY, ...SECRETS].join(" ")}; do
  case "$address" in
    127.0.0.1|::1) ;;
    *:*) ip address add "$address/128" dev lo nodad ;;
    *) ip address add "$address/32" dev lo ;;
  esac
done
mount --bind "$1/hosts" /etc/hosts
mount --bind "$1/resolv.conf" /etc/resolv.conf
mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf 2>/dev/null || true
shift
exec "$@"
`;

async function visit(
  targets: readonly string[],
): Promise<readonly RedirectOutcome[]> {
  await using dir = await tempDir();
  const hosts = Object.entries(NAMES).flatMap(([name, addresses]) =>
    addresses.map((address) => `${address} ${name}\n`)
  );
  await Deno.writeTextFile(`${dir.path}/hosts`, hosts.join(""));
  await Deno.writeTextFile(
    `${dir.path}/resolv.conf`,
    "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
  );
  await Deno.writeTextFile(`${dir.path}/nsswitch.conf`, "hosts: files dns\n");
  const options: RoomOptions = {
    origin: ORIGIN,
    decoy: DECOY,
    secrets: SECRETS,
    targets,
    dir: dir.path,
  };
  const { stdout, stderr } = await new Deno.Command("unshare", {
    args: [
      ...["--net", "--mount", "/bin/sh", "-c", ENTER, "sh", dir.path],
      ...[Deno.execPath(), "run", "-A", "--frozen", "--quiet", "--no-check"],
      `--config=${ROOT}deno.json`,
      `${ROOT}tests/security/fakes/redirect_room.ts`,
      JSON.stringify(options),
    ],
    // No proxy knows this network.
    env: { HTTP_PROXY: "", http_proxy: "", NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const text = new TextDecoder().decode(stdout);
  ok(text !== "", new TextDecoder().decode(stderr));
  return JSON.parse(text);
}

Deno.test("a download follows a redirect to another public server", {
  ignore: whyNot !== undefined,
}, async () => {
  const [outcome] = await visit(["http://mirror.example"]);

  strictEqual(outcome?.welcomed, true, `${outcome?.error}`);
});

for (const target of FORBIDDEN) {
  Deno.test(`a download follows no redirect to ${target}`, {
    ignore: whyNot !== undefined,
  }, async () => {
    const outcomes = await visit([target]);

    deepStrictEqual(
      outcomes.map(({ target, reached }) => ({ target, reached })),
      [{ target, reached: false }],
    );
  });
}

Deno.test(
  "a download does not ask the worse of two addresses that a name has",
  {
    ignore: whyNot !== undefined,
  },
  async () => {
    const [outcome] = await visit(["http://both.example"]);

    // It may ask the good one, or none.
    strictEqual(outcome?.reached, false, `${outcome?.error}`);
  },
);
