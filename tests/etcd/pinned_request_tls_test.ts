/**
 * A download over TLS accepts the certificate of the name in the URL only, from the
 * authorities that Deno itself accepts, although it connects to an address.
 *
 * @module
 */

import { match, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { DownloadError } from "../../src/etcd/release/download_error.ts";
import { tempDir } from "../machine/temp_dir.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PROGRAM = `${ROOT}tests/programs/pinned_get.ts`;

/** Makes an authority, and with it a certificate for the name `name.test`. */
const MAKE_CERTIFICATE = `
set -e
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj "/CN=authority"
openssl req -newkey rsa:2048 -nodes -keyout key.pem -out request -subj "/CN=name.test"
printf 'subjectAltName=DNS:name.test\\nbasicConstraints=CA:FALSE\\n' > extensions
openssl x509 -req -in request -CA ca.pem -CAkey ca.key -CAcreateserial -out cert.pem -days 2 -extfile extensions
`;

const hasOpenssl = await new Deno.Command("openssl", { args: ["version"] })
  .output().then(({ success }) => success, () => false);

Deno.test(
  "a download over TLS checks the name in the URL, by the authorities of DENO_CERT",
  {
    ignore: !hasOpenssl,
  },
  async () => {
    await using dir = await tempDir();
    const made = await new Deno.Command("/bin/sh", {
      args: ["-c", MAKE_CERTIFICATE],
      cwd: dir.path,
    }).output();
    strictEqual(made.code, 0, new TextDecoder().decode(made.stderr));
    await using server = Deno.serve({
      hostname: "127.0.0.1",
      port: 0,
      cert: await Deno.readTextFile(`${dir.path}/cert.pem`),
      key: await Deno.readTextFile(`${dir.path}/key.pem`),
      onListen() {},
    }, () => new Response("content"));
    const { port } = server.addr as Deno.NetAddr;
    const ask = async (env: Readonly<Record<string, string>>) => {
      const { stdout } = await new Deno.Command(Deno.execPath(), {
        args: [
          ...["run", "-A", "--frozen", "--quiet", "--no-check", PROGRAM],
          `https://name.test:${port}/`,
          `https://other.test:${port}/`,
        ],
        env,
        stdin: "null",
      }).output();
      return JSON.parse(new TextDecoder().decode(stdout));
    };

    const [known, other] = await ask({ DENO_CERT: `${dir.path}/ca.pem` });
    const [unknown] = await ask({});

    strictEqual(known, 200);
    match(other, /not valid for name "other\.test"/);
    match(unknown, /UnknownIssuer/);
    match(hintFor(unknown), /^Add the CA .* DENO_CERT/);
    match(hintFor(other), /name that the certificate is made for/);
  },
);

/** What a user reads with the words of the TLS library. */
function hintFor(words: string): string {
  const url = new URL("https://name.test/");
  return DownloadError.ofFetch(url, new Error(words)).hint ?? "";
}

Deno.test("a download error tells a wrong clock from a missing CA and from the network", () => {
  const early =
    "invalid peer certificate: certificate not valid yet: verification time 62 (UNIX), but certificate is not valid before 1764316800 (1764316738 seconds ahead)";
  match(hintFor(early), /^Set this machine's clock/);
  match(
    hintFor(
      "invalid peer certificate: certificate expired: verification time 4102444800 (UNIX), but certificate is not valid after 1764316800",
    ),
    /^Compare this machine's clock/,
  );
  match(
    hintFor("Connection refused (os error 111)"),
    /HTTPS_PROXY and NO_PROXY/,
  );
});
