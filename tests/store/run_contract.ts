/**
 * Runs contract cases on a backend.
 *
 * @module
 */

import type { StateStore } from "../../src/store/state_store.ts";
import type { ContractCase } from "./state_store_contract.ts";

/** A backend to run cases on; disposed after each of them. */
export interface ContractBackend extends AsyncDisposable {
  /** Opens a store; all of one backend see the same state. */
  readonly open: () => StateStore;
  /** Forgets the history up to a revision. */
  readonly compact: (revision: bigint) => Promise<void>;
}

/** Registers one test for each case, each with a backend that `start` gives it. */
export function runContract(
  name: string,
  cases: readonly ContractCase[],
  start: () => Promise<ContractBackend>,
): void {
  for (const [index, one] of cases.entries()) {
    Deno.test(`${name}: ${one.name}`, async () => {
      await using backend = await start();
      await using stack = new AsyncDisposableStack();
      const open = () => stack.use(backend.open());
      await one.run({
        store: open(),
        prefix: `/contract/${index}/`,
        another: open,
        compact: backend.compact,
      });
    });
  }
}
