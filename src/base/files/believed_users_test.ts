import { strictEqual } from "node:assert/strict";
import { unmappedRoot } from "./believed_users.ts";

Deno.test("unmappedRoot() is the overflow number where a namespace knows neither root nor that user", () => {
  strictEqual(unmappedRoot("65534\n      1000       1000          1\n"), 65534);
  strictEqual(unmappedRoot("65534\n         0       1000          1\n"), 65534);
  strictEqual(
    unmappedRoot("99\n 0 1000 1\n 1 100000 65536\n"),
    undefined,
  );
});

Deno.test("unmappedRoot() is nothing where root is known, the number is a user's, or nothing can be read", () => {
  strictEqual(unmappedRoot("65534\n 0 0 4294967295\n"), undefined);
  strictEqual(unmappedRoot("65534\n 0 100000 65536\n"), undefined);
  strictEqual(unmappedRoot("65534\n"), undefined);
  strictEqual(unmappedRoot(""), undefined);
  strictEqual(unmappedRoot("nonsense\n 1000 1000 1\n"), undefined);
});
