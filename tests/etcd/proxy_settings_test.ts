/**
 * `proxyFor` decides as `fetch` does, and excepts from the proxy what curl does: for each environment, a program asks URLs by
 * `fetch`, and the proxies tell which of them were asked.
 *
 * @module
 */

import { deepStrictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { proxyFor } from "../../src/etcd/release/proxy_settings.ts";
import { tempDir } from "../machine/temp_dir.ts";
import { startRawHttpServer } from "../fakes/raw_http_server.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PROGRAM = `
for (const url of JSON.parse(Deno.args[0])) {
  await fetch(url).then(({ body }) => body?.cancel(), () => {});
}
`;

/** None of them exists. */
const URLS = [
  "http://a.invalid/",
  "https://a.invalid/",
  "http://b.a.invalid/",
  "http://ba.invalid/",
  "http://127.9.9.9:47113/",
  "http://[::1]:47113/",
];

/** Environments, with P and Q for the addresses of two proxies. */
const ENVIRONMENTS: readonly Readonly<Record<string, string>>[] = [
  {},
  { HTTP_PROXY: "http://P" },
  { http_proxy: "http://P" },
  { HTTP_PROXY: "", http_proxy: "http://P" },
  { HTTP_PROXY: "http://P", http_proxy: "http://Q" },
  { HTTP_PROXY: "P" },
  { HTTP_PROXY: "ftp://P", http_proxy: "http://Q" },
  { HTTP_PROXY: "http://n:p@P/path" },
  { HTTP_PROXY: "http://P", REQUEST_METHOD: "GET" },
  { HTTPS_PROXY: "http://P" },
  { https_proxy: "http://P", HTTP_PROXY: "http://Q" },
  { ALL_PROXY: "http://P" },
  { all_proxy: "http://P", REQUEST_METHOD: "GET" },
  { ALL_PROXY: "http://P", HTTP_PROXY: "http://Q", HTTPS_PROXY: "http://Q" },
  ...[
    "a.invalid",
    ".a.invalid",
    "invalid",
    " ba.invalid , ::1",
    "127.0.0.0/8",
    ",",
  ].map((NO_PROXY) => ({ ALL_PROXY: "http://P", NO_PROXY })),
  { ALL_PROXY: "http://P", no_proxy: "a.invalid" },
];

for (const environment of ENVIRONMENTS) {
  Deno.test(`proxyFor() chooses as fetch() does with ${JSON.stringify(environment)}`, async () => {
    await using p = startRawHttpServer((_, { send }) => send("204 No Content"));
    await using q = startRawHttpServer((_, { send }) => send("204 No Content"));
    const [pHost, qHost] = [p, q].map(({ url }) => new URL(url).host);
    const env = Object.fromEntries(
      Object.entries(environment).map(([name, value]) => [
        name,
        value.replace("P", pHost ?? "").replace("Q", qHost ?? ""),
      ]),
    );

    // Deno keeps a cache in its home.
    await using home = await tempDir();
    await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--quiet", PROGRAM, JSON.stringify(URLS)],
      cwd: ROOT,
      clearEnv: true,
      env: { DENO_NO_UPDATE_CHECK: "1", HOME: home.path, ...env },
      stdin: "null",
    }).output();

    const asked = (server: typeof p) =>
      server.requests.map(({ target }) =>
        target.includes("://")
          ? target
          : `https://${target.replace(":443", "")}/`
      ).sort();
    const chosen = (host = "") =>
      URLS.filter((url) =>
        proxyFor(new URL(url), (name) => env[name])?.includes(host)
      ).sort();
    deepStrictEqual([asked(p), asked(q)], [chosen(pHost), chosen(qHost)]);
  });
}

const [A, TLS, B, BA, V4, V6] = URLS;

/** Lists, with the URLs that go without a proxy although `fetch` would use one. */
const EXCEPTIONS: readonly (readonly [
  env: Readonly<Record<string, string>>,
  direct: readonly (string | undefined)[],
])[] = [
  [{ NO_PROXY: "*" }, URLS],
  [{ no_proxy: " * " }, URLS],
  [{ NO_PROXY: "a.invalid:80" }, [A, B]],
  [{ NO_PROXY: "a.invalid:443" }, [TLS]],
  [{ NO_PROXY: ".A.invalid.:443" }, [TLS]],
  [{ NO_PROXY: "A.INVALID" }, [A, TLS, B]],
  [{ NO_PROXY: "*.a.invalid" }, [A, TLS, B]],
  [{ NO_PROXY: "127.9.9.9:47113,[::1]" }, [V4, V6]],
  [{ NO_PROXY: "127.9.9.9:1,[::1]:47113" }, [V6]],
  [{ NO_PROXY: "::/64" }, [V6]],
  [{ NO_PROXY: "ba.invalid 127.0.0.0/8" }, [BA, V4]],
  [{ NO_PROXY: "ba.invalid\t,\n::1" }, [BA, V6]],
  [{ NO_PROXY: "", no_proxy: "a.invalid" }, [A, TLS, B]],
  [{ NO_PROXY: "ba.invalid", no_proxy: "::1" }, [BA, V6]],
  [{ NO_PROXY: "127.9.9.9/33,[,:80,a.invalid:http," }, []],
];

for (const [env, direct] of EXCEPTIONS) {
  Deno.test(`proxyFor() goes without a proxy as curl does with ${JSON.stringify(env)}`, () => {
    const read = (name: string) =>
      ({ ALL_PROXY: "http://proxy.invalid", ...env } as Record<string, string>)[
        name
      ];

    const found = URLS.filter((url) => !proxyFor(new URL(url), read));

    deepStrictEqual(found, URLS.filter((url) => direct.includes(url)));
  });
}
