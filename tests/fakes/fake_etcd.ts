/**
 * An etcd without a process: the simulation's state behind requests that take
 * turns of the event loop, with etcd's limits and with failures on the way that
 * a test plans.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { status as Code } from "@grpc/grpc-js";
import type {
  IPutRequest,
  IRangeRequest,
  IRequestOp,
  ITxnRequest,
} from "etcd3/lib/rpc.js";
import {
  EtcdCallError,
  toCallError,
} from "../../src/etcd/client/etcd_call_error.ts";
import type { Connection } from "../../src/etcd/client/etcd_client.ts";
import { type Change, EtcdState } from "../simulation/etcd_state.ts";
import { Timeline } from "../simulation/timeline.ts";

/** What happens to one request. */
export interface Fate {
  /** Turns of the event loop before it is done. */
  readonly there?: number;
  /** Turns of the event loop before it is answered. */
  readonly back?: number;
  /**
   * `unreached`: no connection is possible; `lost`: it breaks before it is
   * done; `unanswered`: it is done, and the answer breaks; `overfull`: it is
   * done, and the answer is that there is no space.
   */
  readonly trouble?:
    | "unreached"
    | "lost"
    | "unanswered"
    | "overfull"
    | undefined;
}

/** One change: a key's value from a revision on. */
export interface FakeChange {
  readonly revision: number;
  readonly key: string;
  /** `undefined` after a delete. */
  readonly value: string | undefined;
}

/** A request as it came. */
export interface FakeRequest {
  readonly method: string;
  readonly ops: readonly IRequestOp[];
}

/** Limits and failures of a {@linkcode FakeEtcd}. */
export interface FakeEtcdInit {
  /** As `--max-txn-ops`. @default {128} */
  readonly maxOps?: number;
  /** As `--max-request-bytes`, of keys and values alone. @default {1.5 MiB} */
  readonly maxBytes?: number;
  /** The longest message that its gRPC takes. @default {2 MiB} */
  readonly maxMessageBytes?: number;
  /** Keys that no client may read or write. */
  readonly forbidden?: (key: string) => boolean;
  /** Plans each request. @default {none is in trouble} */
  readonly fate?: (request: FakeRequest) => Fate;
}

/** Keys, revisions and etcd's refusals. */
export class FakeEtcd {
  /** Every request that reached it. */
  readonly requests: FakeRequest[] = [];
  /** While set, requests wait for it. */
  gate: Promise<void> | undefined;
  /** As etcd before 3.4.20 and 3.5.7 is when its database is full: no puts, and no transactions at all. */
  full = false;
  readonly #init: FakeEtcdInit;
  readonly #state = new EtcdState(new Timeline(0));

  /** An empty one. */
  constructor(init: FakeEtcdInit = {}) {
    this.#init = init;
  }

  /** A connection to it, for `EtcdStoreInit.connect`. */
  connect(): Connection {
    return {
      call: (_service, method, request, options) =>
        this.#call(method, request, options),
      stream: () => Promise.reject(new Error("There are no streams")),
      [Symbol.dispose]: () => {},
    };
  }

  /** The revision of the last change. */
  get revision(): number {
    return this.#state.revision;
  }

  /** Every change, in order. */
  get changes(): readonly FakeChange[] {
    return this.#state.history.map(toFakeChange);
  }

  /** What a key held at a revision. */
  at(key: string, revision: number): FakeChange | undefined {
    const found = this.#state.history.findLast(({ entry }) =>
      entry.key === key && entry.changed <= revision
    );
    return found?.type === "Put" ? toFakeChange(found) : undefined;
  }

  async #call<Response>(
    method: string,
    request: unknown,
    { signal }: { readonly signal?: AbortSignal | undefined },
  ): Promise<Response> {
    const ops = toOps(method, request);
    const fate: Fate = this.#init.fate?.({ method, ops }) ?? {};
    const { there = 1, back = 1, trouble } = fate;
    signal?.throwIfAborted();
    if (trouble === "unreached") {
      await turns(there);
      throw new EtcdCallError("Cannot reach etcd at fake", {
        failure: "unavailable",
        outcome: "not-done",
        endpoint: "fake",
      });
    }
    const answer = this.#answer({ method, ops }, { there, back, trouble });
    if (signal === undefined) return await answer as Response;
    return await new Promise<Response>((resolve, reject) => {
      const onAbort = () => reject(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      answer.then((value) => resolve(value as Response), reject)
        .finally(() => signal.removeEventListener("abort", onAbort));
    });
  }

  async #answer(
    request: FakeRequest,
    { there, back, trouble }: Fate & {
      readonly there: number;
      readonly back: number;
    },
  ): Promise<unknown> {
    await turns(there);
    await this.gate;
    if (trouble === "lost") throw broken();
    this.requests.push(request);
    const answer = this.#do(request);
    await turns(back);
    if (trouble === "unanswered") throw broken();
    if (trouble === "overfull") throw noSpace();
    return answer;
  }

  #do({ method, ops }: FakeRequest): unknown {
    this.#refuse(method, ops);
    const answer = this.#state.execute("txn", { success: ops });
    return method === "range"
      ? { header: answer.header, ...answer.responses[0].response_range }
      : answer;
  }

  #refuse(method: string, ops: readonly IRequestOp[]): void {
    const {
      maxOps = 128,
      maxBytes = 1.5 * 1024 * 1024,
      maxMessageBytes = 2 * 1024 * 1024,
      forbidden,
    } = this.#init;
    const refuse = (code: number, details: string) => {
      throw toCallError({ code, details }, "fake");
    };
    const bytes = ops.reduce((sum, op) => sum + sizeOf(op), 0);
    if (bytes > maxMessageBytes) {
      refuse(
        Code.RESOURCE_EXHAUSTED,
        `grpc: received message larger than max (${bytes} vs. ${maxMessageBytes})`,
      );
    }
    if (ops.length > maxOps) {
      refuse(
        Code.INVALID_ARGUMENT,
        "etcdserver: too many operations in txn request",
      );
    }
    if (ops.some((op) => keyOf(op) === "")) {
      refuse(Code.INVALID_ARGUMENT, "etcdserver: key is not provided");
    }
    const written = ops.filter(({ request_range: range }) => !range).map(keyOf);
    if (new Set(written).size < written.length) {
      refuse(
        Code.INVALID_ARGUMENT,
        "etcdserver: duplicate key given in txn request",
      );
    }
    if (forbidden && ops.map(keyOf).some(forbidden)) {
      refuse(Code.PERMISSION_DENIED, "etcdserver: permission denied");
    }
    if (written.length > 0 && bytes > maxBytes) {
      refuse(Code.INVALID_ARGUMENT, "etcdserver: request is too large");
    }
    if (this.full && (method === "put" || method === "txn")) {
      throw noSpace();
    }
  }
}

function toFakeChange({ type, entry }: Change): FakeChange {
  const value = type === "Put" ? entry.value : undefined;
  return { revision: entry.changed, key: entry.key, value };
}

function toOps(method: string, request: unknown): readonly IRequestOp[] {
  switch (method) {
    case "put":
      return [{ request_put: request as IPutRequest }];
    case "deleteRange":
      return [{ request_delete_range: request as IRangeRequest }];
    case "range":
      return [{ request_range: request as IRangeRequest }];
    case "txn":
      return (request as ITxnRequest).success ?? [];
  }
  throw new TypeError(`The fake etcd does not know "${method}"`);
}

/** The key of an operation. */
export function keyOf(
  { request_put, request_delete_range, request_range }: IRequestOp,
): string {
  const { key } = request_put ?? request_delete_range ?? request_range ?? {};
  return String(key);
}

function sizeOf(op: IRequestOp): number {
  const value = op.request_put?.value as Buffer | undefined;
  return keyOf(op).length + (value?.length ?? 0);
}

function noSpace(): EtcdCallError {
  return toCallError({
    code: Code.RESOURCE_EXHAUSTED,
    details: "etcdserver: mvcc: database space exceeded",
  }, "fake");
}

function broken(): EtcdCallError {
  return toCallError(
    { code: Code.UNAVAILABLE, details: "Connection dropped" },
    "fake",
  );
}

/** Lets the event loop turn this often. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}
