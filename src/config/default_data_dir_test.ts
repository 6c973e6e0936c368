import assert from "node:assert/strict";

import { defaultDataDir } from "./default_data_dir.ts";

Deno.test("defaultDataDir() is under /var/lib for root whatever the environment says", () => {
  const env = { HOME: "/root", XDG_DATA_HOME: "/root/data" };

  assert.equal(defaultDataDir({ uid: 0, env }), "/var/lib/kat");
});

Deno.test("defaultDataDir() prefers XDG_DATA_HOME to HOME for other users", () => {
  const HOME = "/home/ada";
  const dirFor = (XDG_DATA_HOME: string | undefined) =>
    defaultDataDir({ uid: 1000, env: { HOME, XDG_DATA_HOME } });

  assert.equal(dirFor("/data/ada/"), "/data/ada/kat");
  assert.equal(dirFor(undefined), "/home/ada/.local/share/kat");
  assert.equal(dirFor(""), "/home/ada/.local/share/kat");
  assert.equal(dirFor("relative"), "/home/ada/.local/share/kat");
  assert.equal(
    defaultDataDir({ uid: null, env: { HOME } }),
    "/home/ada/.local/share/kat",
  );
});

Deno.test("defaultDataDir() is undefined when the environment names no absolute path", () => {
  assert.equal(defaultDataDir({ uid: 1000, env: {} }), undefined);
  assert.equal(
    defaultDataDir({ uid: 1000, env: { HOME: "ada", XDG_DATA_HOME: "" } }),
    undefined,
  );
});
