import assert from "node:assert/strict";

import { ConfigError } from "./config_error.ts";

Deno.test("ConfigError has one line for each problem, and escapes what would steer a terminal", () => {
  const error = new ConfigError([
    {
      file: "a\n\x1b[31m.kat",
      line: 3,
      column: 7,
      path: "spec.apiPort",
      message: "found \u202e, wanted a port",
    },
    { file: "b.kat", line: 0, column: 0, path: "(file)", message: "gone" },
  ]);

  assert.equal(
    error.message,
    "a\\u000a\\u001b[31m.kat:3:7: spec.apiPort: found \\u202e, wanted a port\n" +
      "b.kat: gone",
  );
  assert.equal(error.exitCode, 78);
  assert.equal(error.problems.length, 2);
});
