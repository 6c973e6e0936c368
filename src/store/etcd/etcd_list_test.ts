import { rejects, strictEqual } from "node:assert/strict";
import { EtcdCallError } from "../../etcd/client/etcd_call_error.ts";
import { type Outcome, StoreUnavailableError } from "../state_store.ts";
import { listRange } from "./etcd_list.ts";
import { prefixRange } from "./etcd_range.ts";

/** Lists while no page is answered; returns how many pages were asked for. */
async function pagesAsked(outcome: Outcome): Promise<number> {
  let asked = 0;
  const cause = new EtcdCallError("away", { failure: "unavailable", outcome });
  await rejects(
    listRange(prefixRange("/"), () => {
      asked++;
      return Promise.reject(new StoreUnavailableError("away", { cause }));
    }),
    StoreUnavailableError,
  );
  return asked;
}

Deno.test("listRange() asks for no smaller page of a store that cannot be reached", async () => {
  strictEqual(await pagesAsked("not-done"), 1);
});

Deno.test("listRange() asks for no smaller first page, which is small already", async () => {
  strictEqual(await pagesAsked("unknown"), 1);
});
