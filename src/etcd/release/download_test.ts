import {
  deepStrictEqual,
  match,
  ok,
  rejects,
  strictEqual,
} from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { systemClock } from "../../base/clock.ts";
import {
  type RawHandler,
  type RawHttpServer,
  startRawHttpServer,
} from "../../../tests/fakes/raw_http_server.ts";
import { tempDir } from "../../../tests/machine/temp_dir.ts";
import { download, type DownloadOptions } from "./download.ts";
import { DownloadError } from "./download_error.ts";
import type { DownloadLimits } from "./download_limits.ts";

/** Not compressible, and longer than what comes in one piece. */
const BODY = crypto.getRandomValues(new Uint8Array(60_000));
const HALF = BODY.length / 2;
const SHA256 = createHash("sha256").update(BODY).digest("hex");
const QUICK: Partial<DownloadLimits> = { firstPauseMs: 2, maxPauseMs: 1_000 };

interface Outcome {
  readonly error: DownloadError | undefined;
  readonly server: RawHttpServer;
  /** What the directory holds afterwards. */
  readonly names: readonly string[];
}

/** Downloads from a server with this handler, and checks what every download promises. */
async function downloadFrom(
  handler: RawHandler,
  options: Partial<DownloadOptions> & { readonly target?: string } = {},
): Promise<Outcome> {
  await using dir = await tempDir();
  await using server = startRawHttpServer(handler);
  const to = join(dir.path, "file");
  const url = new URL(options.target ?? "/file", server.url);
  const error = await download(url, {
    sha256: SHA256,
    ...options,
    limits: { ...QUICK, ...options.limits },
    to,
  }).then(() => undefined, (error) => error);
  const names = (await Array.fromAsync(Deno.readDir(dir.path)))
    .map(({ name }) => name);
  if (error === undefined) {
    deepStrictEqual(await Deno.readFile(to), BODY);
  } else {
    ok(error instanceof DownloadError, `not a DownloadError: ${error}`);
    deepStrictEqual(names, [], "a failed download left something");
  }
  return { error, server, names };
}

Deno.test("download() writes the file and tells how far it is", async () => {
  const seen: (number | undefined)[] = [];
  const { error } = await downloadFrom(
    (_, { send }) => send("200 OK", { "content-length": BODY.length }, BODY),
    {
      onProgress: ({ receivedBytes, totalBytes }) =>
        seen.push(receivedBytes, totalBytes),
    },
  );

  strictEqual(error, undefined);
  deepStrictEqual(seen.slice(-2), [BODY.length, BODY.length]);
});

Deno.test("download() asks for the bytes as they are", async () => {
  const { server } = await downloadFrom((_, { send }) =>
    send("200 OK", {}, BODY)
  );

  strictEqual(server.requests[0]?.headers.get("accept-encoding"), "identity");
});

for (const status of ["401", "403", "404", "407", "410"]) {
  Deno.test(`download() gives up at once when the server answers ${status}`, async () => {
    const { error, server } = await downloadFrom((_, { send }) =>
      send(`${status} No`, {}, "no")
    );

    match(
      error?.reason ?? "",
      new RegExp(`^the server answers ${status}`),
    );
    strictEqual(server.requests.length, 1);
  });
}

for (const status of ["429", "500", "503"]) {
  Deno.test(`download() tries again when the server answers ${status}, but not for ever`, async () => {
    const { error, server } = await downloadFrom(
      (_, { send }) => send(`${status} Busy`),
      { limits: { attempts: 4 } },
    );

    match(
      error?.reason ?? "",
      new RegExp(`^the server answers ${status}`),
    );
    ok(error?.hint !== undefined);
    strictEqual(server.requests.length, 4);
  });
}

Deno.test("download() waits as long as Retry-After says when that is short", async () => {
  let answers = 0;
  const start = performance.now();
  const { error } = await downloadFrom((_, { send }) =>
    answers++ === 0
      ? send("429 Too Many Requests", { "retry-after": 1 })
      : send("200 OK", {}, BODY)
  );

  strictEqual(error, undefined);
  ok(performance.now() - start >= 990);
});

Deno.test("download() gives up at once when Retry-After is too long, and says how long", async () => {
  const { error, server } = await downloadFrom((_, { send }) =>
    send("429 Too Many Requests", { "retry-after": 3600 })
  );

  match(error?.reason ?? "", /asks to wait 3600 s/);
  strictEqual(server.requests.length, 1);
});

Deno.test("download() refuses a web page that comes with 200", async () => {
  const { error } = await downloadFrom((_, { send }) =>
    send("200 OK", { "content-type": "text/html; charset=utf-8" }, "<html>")
  );

  strictEqual(
    error?.reason,
    "the server sent a web page instead of the archive",
  );
  match(error?.hint ?? "", /captive portal/);
});

Deno.test("download() refuses other bytes, with both checksums in the message", async () => {
  const { error, server } = await downloadFrom((_, { send }) =>
    send("200 OK", {}, "something else")
  );

  match(error?.message ?? "", new RegExp(SHA256));
  strictEqual(server.requests.length, 1);
});

Deno.test("download() refuses a body that ends early where no length was said", async () => {
  const { error } = await downloadFrom((_, { send }) =>
    send("200 OK", {}, BODY.subarray(0, HALF))
  );

  match(error?.reason ?? "", /have SHA-256/);
});

Deno.test("download() tries again when a body is shorter than was said, but not for ever", async () => {
  const { error, server } = await downloadFrom((_, { send }) =>
    send("200 OK", { "content-length": BODY.length }, BODY.subarray(0, HALF))
  );

  strictEqual(error?.transient, true);
  // The first attempt brought something new, the others did not.
  strictEqual(server.requests.length, 4);
});

Deno.test("download() tries again when a chunked body breaks off", async () => {
  let answers = 0;
  const { error } = await downloadFrom((_, { send }) =>
    answers++ === 0
      ? send("200 OK", { "transfer-encoding": "chunked" }, "ffff\r\nbroken")
      : send("200 OK", {}, BODY)
  );

  strictEqual(error, undefined);
});

/** Serves ranges of BODY, `piece` bytes per answer, then cuts the connection. */
function rangeServer(
  piece: number,
  etagOf: (answers: number) => string = () => '"a"',
): RawHandler {
  let answers = 0;
  return (request, { send }) => {
    const etag = etagOf(answers);
    answers += 1;
    const [, first] =
      /^bytes=(\d+)-$/.exec(request.headers.get("range") ?? "") ?? [];
    if (first === undefined || request.headers.get("if-range") !== etag) {
      return send(
        "200 OK",
        { etag, "content-length": BODY.length },
        BODY.subarray(0, piece),
      );
    }
    const from = Number(first);
    return send("206 Partial Content", {
      etag,
      "content-length": BODY.length - from,
      "content-range": `bytes ${from}-${BODY.length - 1}/${BODY.length}`,
    }, BODY.subarray(from, from + piece));
  };
}

Deno.test("download() goes on where it was interrupted, as often as something new comes", async () => {
  const { error, server } = await downloadFrom(rangeServer(10_000), {
    limits: { attempts: 2 },
  });

  strictEqual(error, undefined);
  const starts = server.requests.map(({ headers }) => {
    const range = headers.get("range");
    return range === undefined ? 0 : Number(range.slice("bytes=".length, -1));
  });
  strictEqual(starts[0], 0);
  ok(starts.length >= 6, `${starts}`);
  for (const [index, start] of starts.slice(1).entries()) {
    ok(start > (starts[index] ?? 0), `did not go on: ${starts}`);
  }
  strictEqual(server.requests[1]?.headers.get("if-range"), '"a"');
});

Deno.test("download() starts again when the file has changed meanwhile", async () => {
  let whole = false;
  const { error, server } = await downloadFrom(async (request, connection) => {
    if (!whole) {
      whole = true;
      await rangeServer(HALF, () => '"old"')(request, connection);
    } else {
      await rangeServer(BODY.length, () => '"new"')(request, connection);
    }
  });

  strictEqual(error, undefined);
  strictEqual(server.requests.length, 2);
  ok(server.requests[1]?.headers.has("range"));
});

Deno.test("download() bears failures in between as long as something new comes", async () => {
  const pieces = rangeServer(10_000);
  let requests = 0;
  const { error } = await downloadFrom(
    (request, connection) =>
      requests++ % 2 === 1
        ? connection.send("503 Service Unavailable")
        : pieces(request, connection),
    { limits: { attempts: 2 } },
  );

  strictEqual(error, undefined);
});

for (const etag of ['"a"', '"b"']) {
  Deno.test(`download() starts again when a part tagged ${etag} does not fit to one tagged "a"`, async () => {
    let answers = 0;
    const { error, server } = await downloadFrom((request, { send }) => {
      const from = /^bytes=(\d+)-$/.exec(request.headers.get("range") ?? "")
        ?.[1];
      if (from === undefined) {
        return send(
          "200 OK",
          { etag: '"a"', "content-length": BODY.length },
          answers++ === 0 ? BODY.subarray(0, HALF) : BODY,
        );
      }
      return send("206 Partial Content", {
        etag,
        "content-range": `bytes ${from}-${BODY.length - 1}/${BODY.length}`,
      }, new Uint8Array(BODY.length - Number(from)));
    });

    strictEqual(error, undefined);
    strictEqual(server.requests.length, 3);
  });
}

Deno.test("download() starts again when the server no longer has the part", async () => {
  let answers = 0;
  const { error } = await downloadFrom((request, { send }) =>
    request.headers.has("range") ? send("416 Range Not Satisfiable") : send(
      "200 OK",
      { etag: '"a"', "content-length": BODY.length },
      answers++ === 0 ? BODY.subarray(0, HALF) : BODY,
    )
  );

  strictEqual(error, undefined);
});

Deno.test("download() asks for no part where the tag is weak", async () => {
  let answers = 0;
  const { error, server } = await downloadFrom((_, { send }) =>
    send(
      "200 OK",
      { etag: 'W/"a"', "content-length": BODY.length },
      answers++ === 0 ? BODY.subarray(0, HALF) : BODY,
    )
  );

  strictEqual(error, undefined);
  deepStrictEqual(
    server.requests.map(({ headers }) => headers.has("range")),
    [false, false],
  );
});

Deno.test("download() gives up when no answer begins", async () => {
  const { error, server } = await downloadFrom((_, { gone }) => gone, {
    limits: { answerMs: 50, attempts: 2 },
  });

  strictEqual(error?.reason, "no answer within 0.05 s");
  strictEqual(server.requests.length, 2);
});

Deno.test("download() goes on elsewhere in time when the body stalls", async () => {
  let answers = 0;
  const { error, server } = await downloadFrom(async (request, connection) => {
    if (answers++ > 0) {
      return await rangeServer(BODY.length)(request, connection);
    }
    await connection.send(
      "200 OK",
      { etag: '"a"', "content-length": BODY.length },
      BODY.subarray(0, HALF),
    );
    await connection.gone;
  }, { limits: { stallMs: 300 } });

  strictEqual(error, undefined);
  strictEqual(server.requests.length, 2);
});

Deno.test("download() ends at its total time when bytes trickle", async () => {
  const { error } = await downloadFrom(async (_, { send, write, gone }) => {
    await send("200 OK", { "content-length": BODY.length });
    const left = new AbortController();
    gone.then(() => left.abort());
    for (let at = 0; !left.signal.aborted; at += 1) {
      await write(BODY.subarray(at, at + 1));
      await systemClock.sleep(10, { signal: left.signal }).catch(() => {});
    }
  }, { limits: { totalMs: 300, stallMs: 10_000 } });

  strictEqual(error?.reason, "it was not complete after 0.3 s");
});

Deno.test("download() refuses a file that is longer than a release", async () => {
  const said = await downloadFrom(
    (_, { send }) => send("200 OK", { "content-length": 10_000_000_000 }),
    { limits: { maxBytes: 50_000 } },
  );
  const unsaid = await downloadFrom((_, { send }) => send("200 OK", {}, BODY), {
    limits: { maxBytes: 50_000 },
  });

  for (const { error } of [said, unsaid]) {
    match(error?.reason ?? "", /larger than 50000 bytes/);
  }
});

Deno.test("download() follows redirects", async () => {
  const { error, server } = await downloadFrom((request, { send }) => {
    const hop = Number(request.target.slice(1));
    return hop < 5
      ? send("302 Found", { location: `/${hop + 1}` })
      : send("200 OK", {}, BODY);
  }, { target: "/0" });

  strictEqual(error, undefined);
  strictEqual(server.requests.length, 6);
});

Deno.test("download() does not go round in a loop of redirects", async () => {
  const { error, server } = await downloadFrom((_, { send }) =>
    send("302 Found", { location: "/file" })
  );

  strictEqual(error?.reason, "more than 5 redirects");
  strictEqual(server.requests.length, 6);
});

Deno.test("download() refuses a redirect to nowhere or to another protocol", async () => {
  for (const location of [undefined, "http://", "ftp://127.0.0.1/file"]) {
    const { error } = await downloadFrom((_, { send }) =>
      send("302 Found", location === undefined ? {} : { location })
    );

    match(error?.reason ?? "", /^a redirect /);
  }
});

Deno.test("download() tells what the portal sent when it is redirected to one", async () => {
  const { error } = await downloadFrom((request, { send }) =>
    request.target === "/file"
      ? send("302 Found", { location: "/login" })
      : send("200 OK", { "content-type": "text/html" }, "<html>Log in</html>")
  );

  strictEqual(
    error?.reason,
    "the server sent a web page instead of the archive",
  );
});

Deno.test("download() sends user and password to the host they are for, and no other", async () => {
  await using other = startRawHttpServer((_, { send }) =>
    send("200 OK", {}, BODY)
  );
  await using dir = await tempDir();
  await using server = startRawHttpServer((_, { send }) =>
    send("302 Found", { location: `${other.url}/file` })
  );
  const url = new URL("/file", server.url);
  url.username = "käthe";
  url.password = "s3cret";

  await download(url, { to: join(dir.path, "file"), sha256: SHA256 });

  const pair = new TextDecoder().decode(
    Uint8Array.from(
      atob(
        server.requests[0]?.headers.get("authorization")?.slice(6) ??
          "",
      ),
      (byte) => byte.charCodeAt(0),
    ),
  );
  strictEqual(pair, "käthe:s3cret");
  strictEqual(other.requests[0]?.headers.get("authorization"), undefined);
});

Deno.test("download() keeps passwords and signatures out of its messages", async () => {
  await using dir = await tempDir();
  await using server = startRawHttpServer((request, { send }) =>
    request.target.startsWith("/gone")
      ? send("404 Not Found")
      : send("302 Found", { location: "/gone?signature=s3cret" })
  );
  const closed = new URL("http://name:s3cret@127.0.0.1:9/file?token=s3cret");
  const open = new URL("/file?token=s3cret", server.url);
  open.password = "s3cret";
  open.username = "name";

  for (const url of [closed, open]) {
    await rejects(
      download(url, {
        to: join(dir.path, "file"),
        sha256: SHA256,
        limits: QUICK,
      }),
      (error) =>
        error instanceof DownloadError && !error.message.includes("s3cret") &&
        error.message.includes("127.0.0.1"),
    );
  }
});

Deno.test("download() says what is wrong with the network", async () => {
  await using dir = await tempDir();
  // A port that was free a moment ago, and a name that never resolves.
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();

  for (
    const [url, reason] of [
      [`http://127.0.0.1:${port}/file`, /refused/i],
      ["http://nowhere.invalid/file", /dns|resolve|lookup/i],
    ] as const
  ) {
    await rejects(
      download(new URL(url), {
        to: join(dir.path, "file"),
        sha256: SHA256,
        limits: QUICK,
      }),
      (error) =>
        error instanceof DownloadError && reason.test(error.reason) &&
        /HTTPS_PROXY/.test(error.hint ?? ""),
    );
  }
});

Deno.test("download() rejects with the signal's reason and cuts the connection", async () => {
  await using dir = await tempDir();
  const cut = Promise.withResolvers<void>();
  await using server = startRawHttpServer(async (_, { send, gone }) => {
    await send("200 OK", { "content-length": BODY.length }, BODY.subarray(1));
    gone.then(cut.resolve);
    await cut.promise;
  });
  const controller = new AbortController();
  const reason = new Error("stop");

  await rejects(
    download(new URL("/file", server.url), {
      to: join(dir.path, "file"),
      sha256: SHA256,
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    }),
    reason,
  );
  await cut.promise;

  deepStrictEqual(await Array.fromAsync(Deno.readDir(dir.path)), []);
});

Deno.test("download() never touches a file that is there already", async () => {
  await using dir = await tempDir();
  const to = join(dir.path, "file");
  await Deno.writeTextFile(to, "mine");

  await rejects(
    download(new URL("http://127.0.0.1:9/"), { to, sha256: SHA256 }),
    Deno.errors.AlreadyExists,
  );
  strictEqual(await Deno.readTextFile(to), "mine");
});
