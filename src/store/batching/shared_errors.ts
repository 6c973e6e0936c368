/**
 * Why an operation that shares requests ends without one.
 *
 * @module
 */

import type { SharedOperation } from "./shared_call.ts";
import {
  OutcomeUnknownError,
  type StoreError,
  StoreUnavailableError,
} from "../state_store.ts";

/** An operation's time is over; if it `mayBeDone`, its outcome is unknown. */
export function noAnswerInTime(
  op: SharedOperation,
  { mayBeDone }: { readonly mayBeDone: boolean },
): StoreError {
  const message = `${cannot(op)}: no answer in time`;
  return mayBeDone
    ? new OutcomeUnknownError(message)
    : new StoreUnavailableError(message);
}

/** An operation finds so many others before it that there is no memory for it. */
export function tooMuchWaits(op: SharedOperation): StoreError {
  const message = `${cannot(op)}: too much waits to be done already`;
  const hint = "Await some of the calls under way before starting more";
  return new StoreUnavailableError(message, { hint });
}

function cannot({ type, key }: SharedOperation): string {
  return `Cannot ${type} "${key}"`;
}
