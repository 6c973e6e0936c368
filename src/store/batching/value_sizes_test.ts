import { ok, strictEqual } from "node:assert/strict";
import { ValueSizes } from "./value_sizes.ts";

const LARGE = 1_000_000;

function learn(sizes: ValueSizes, key: string, bytes: number): void {
  const kv = { key, value: new Uint8Array(bytes), version: 1n };
  sizes.learn([{ key }], [kv]);
}

function learnSmall(sizes: ValueSizes): void {
  for (let n = 0; n < 50; n++) learn(sizes, `${n}`, 100);
}

Deno.test("ValueSizes.expect() follows what was found last", () => {
  const sizes = new ValueSizes();
  learnSmall(sizes);
  const before = sizes.expect("any");
  ok(before > 100 && before < 150, `${before}`);
  for (let n = 0; n < 50; n++) learn(sizes, "a", 10_000);
  ok(sizes.expect("any") > 9_000);
});

Deno.test("ValueSizes.expect() of a key that is known to be large says nothing of others", () => {
  const sizes = new ValueSizes();
  learnSmall(sizes);
  sizes.note("large", LARGE);
  for (let n = 0; n < 50; n++) learn(sizes, "large", LARGE);
  strictEqual(sizes.expect("large"), LARGE);
  ok(sizes.expect("any") < 150);
});

Deno.test("ValueSizes.expect() of all keys grows where more are large than it remembers", () => {
  const sizes = new ValueSizes();
  for (let round = 0; round < 2; round++) {
    for (let n = 0; n < 3_000; n++) {
      learn(sizes, `${n}`, LARGE);
    }
  }
  ok(sizes.expect("any") > LARGE / 2);
});

Deno.test("ValueSizes.learn() forgets a key whose value is not large any more", () => {
  const sizes = new ValueSizes();
  learnSmall(sizes);
  sizes.note("a", LARGE);
  learn(sizes, "a", 5);
  ok(sizes.expect("a") < 150);
});
