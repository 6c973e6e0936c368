import { strict as assert } from "node:assert";

Deno.test("guardHttp2() keeps the process alive when a server sends GOAWAY and PING in one packet", async () => {
  const program = new URL(
    "../../../tests/programs/goaway.ts",
    import.meta.url,
  );
  const { success, signal, code, stdout, stderr } = await new Deno.Command(
    Deno.execPath(),
    {
      args: ["run", "--frozen", "--allow-net=127.0.0.1", program.href],
      env: { NO_COLOR: "1" },
      signal: AbortSignal.timeout(60_000),
    },
  ).output();

  assert(
    success,
    `ended with ${signal ?? code}: ${new TextDecoder().decode(stderr)}`,
  );
  assert.equal(new TextDecoder().decode(stdout).trim(), "40 of 40");
});
