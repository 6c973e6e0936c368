/**
 * One client of the traffic: reads, writes, comparisons, transactions, lists
 * and odd sizes, one at a time.
 *
 * @module
 */

import { sleep } from "../machine/sleep.ts";
import { StoreError } from "../../src/store/state_store.ts";
import type { Operation } from "../history/history.ts";
import type { Random } from "../simulation/random.ts";
import { RecordingStore } from "./recording_store.ts";

/** What a client is made of. */
export interface ClientSetting {
  /** Its name in the history. */
  readonly name: string;
  /** The members' client URLs. */
  readonly endpoints: readonly string[];
  /** The pause between two operations, in milliseconds, on average. */
  readonly pauseMs: number;
  /** Counts the operations of all clients. */
  readonly operations: { count: number };
  /** Where its choices come from. */
  readonly random: Random;
  /** Told of each operation. */
  readonly append: (operation: Operation) => void;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** All that clients write, guarded writes of candidates included. */
export const TRAFFIC_PREFIX = "/chaos/";
/** Operations of all clients until they go on with fresh keys: keeps each key's history short. */
const EPOCH = 1_500;
const KEYS = 10;
const ACCOUNTS = 4;
const TIMEOUT_MS = 2_000;
/** etcd refuses requests of more than 1.5 MiB. */
const TOO_LARGE = 1.6 * 2 ** 20;

/** Calls the store until told to stop. */
export async function runClient(setting: ClientSetting): Promise<void> {
  const { name, endpoints, append, signal, pauseMs, random } = setting;
  await using store = new RecordingStore({ endpoints, process: name, append });
  const client = new TrafficClient(store, setting);
  while (!signal.aborted) {
    setting.operations.count++;
    try {
      await client.step();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    }
    await sleep(2 * random.next() * pauseMs, signal);
  }
}

class TrafficClient {
  readonly #store: RecordingStore;
  readonly #setting: ClientSetting;
  /** What it saw of a key last; a comparison with an old version fails, as it should. */
  readonly #seen = new Map<string, bigint>();
  #count = 0;

  constructor(store: RecordingStore, setting: ClientSetting) {
    this.#store = store;
    this.#setting = setting;
  }

  async step(): Promise<void> {
    const dice = this.#setting.random.next();
    if (dice < 0.3) await this.#read();
    else if (dice < 0.55) await this.#put();
    else if (dice < 0.7) await this.#compareAndSet();
    else if (dice < 0.76) await this.#delete();
    else if (dice < 0.9) await this.#transfer();
    else if (dice < 0.96) await this.#list();
    else if (dice < 0.98) {
      await this.#store.getLeader({ timeoutMs: TIMEOUT_MS });
    } else await this.#oddity();
  }

  get #epoch(): string {
    const { operations } = this.#setting;
    return `${TRAFFIC_PREFIX}${Math.floor(operations.count / EPOCH)}/`;
  }

  #key(): string {
    return `${this.#epoch}r/${this.#setting.random.integer(0, KEYS - 1)}`;
  }

  /** Unlike any other value that is ever written. */
  #tag(): string {
    return `${this.#setting.name}:${this.#count++}`;
  }

  async #read(key = this.#key()): Promise<void> {
    const kv = await this.#store.get(key, { timeoutMs: TIMEOUT_MS });
    this.#see(key, kv?.version ?? 0n);
  }

  async #put(): Promise<void> {
    const key = this.#key();
    const options = { timeoutMs: TIMEOUT_MS };
    this.#see(key, await this.#store.put(key, bytes(this.#tag()), options));
  }

  async #compareAndSet(): Promise<void> {
    const key = this.#key();
    if (!this.#seen.has(key)) await this.#read(key);
    await this.#store.compareAndSet(
      key,
      this.#seen.get(key) ?? 0n,
      bytes(this.#tag()),
      { timeoutMs: TIMEOUT_MS },
    );
    this.#seen.delete(key);
  }

  async #delete(): Promise<void> {
    const key = this.#key();
    await this.#store.delete(key, { timeoutMs: TIMEOUT_MS });
    this.#seen.delete(key);
  }

  /** Moves an amount between two accounts of one epoch; the sum stays. */
  async #transfer(): Promise<void> {
    const { random } = this.#setting;
    const prefix = `${this.#epoch}a/`;
    const [from = "", to = ""] = random.shuffle(
      Array.from({ length: ACCOUNTS }, (_, index) => `${prefix}${index}`),
    );
    const options = { timeoutMs: TIMEOUT_MS };
    const [one, other] = [
      await this.#store.get(from, options),
      await this.#store.get(to, options),
    ];
    const amount = random.integer(1, 5);
    await this.#store.doTransaction(
      [
        { key: from, expectedVersion: one?.version ?? 0n },
        { key: to, expectedVersion: other?.version ?? 0n },
      ],
      [
        { type: "put", key: from, value: this.#balance(one, -amount) },
        { type: "put", key: to, value: this.#balance(other, amount) },
      ],
      [{ type: "get", key: from }, { type: "get", key: to }],
      options,
    );
  }

  #balance(
    kv: { readonly value: Uint8Array } | undefined,
    change: number,
  ): Uint8Array {
    const before = kv ? Number(text(kv.value).split("|")[0]) : 0;
    return bytes(`${before + change}|${this.#tag()}`);
  }

  async #list(): Promise<void> {
    const part = this.#setting.random.pick(["", "r/", "a/"]);
    await this.#store.list(this.#epoch + part, { timeoutMs: TIMEOUT_MS });
  }

  /** Values and transactions that a store has to take, or to refuse as a whole. */
  async #oddity(): Promise<void> {
    const tag = this.#tag();
    const key = `${this.#epoch}odd/${tag}`;
    const options = { timeoutMs: TIMEOUT_MS };
    switch (this.#setting.random.integer(0, 7)) {
      case 0:
        return void await this.#store.put(key, new Uint8Array(), options);
      case 1:
        return void await this.#store.put(key, large(tag, TOO_LARGE), options);
      case 2:
        return void await this.#store.put(key, large(tag, 2 ** 13), options);
      case 3:
        // Neither UTF-8 nor without a NUL.
        return void await this.#store.put(
          key,
          new Uint8Array([0xff, 0xfe, 0, ...bytes(tag)]),
          options,
        );
      case 4:
        return void await this.#store.put(`${key}\0ä✓`, bytes(tag), options);
      case 5:
        return void await this.#store.doTransaction([], [], [], options);
      case 6:
        return void await this.#store.doTransaction(
          [],
          [
            { type: "put", key, value: bytes(tag) },
            { type: "put", key, value: bytes(`${tag}'`) },
          ],
          [],
          options,
        );
      case 7:
        return void await this.#store.doTransaction(
          [],
          Array.from({ length: 129 }, (_, index) => ({
            type: "put",
            key: `${key}/${index}`,
            value: bytes(`${tag}/${index}`),
          })),
          [],
          options,
        );
    }
  }

  #see(key: string, version: bigint): void {
    // Old epochs do not come back.
    if (this.#seen.size > 4 * KEYS) this.#seen.clear();
    this.#seen.set(key, version);
  }
}

function large(tag: string, size: number): Uint8Array {
  const value = new Uint8Array(size);
  value.set(bytes(tag));
  return value;
}

function bytes(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

function text(value: Uint8Array): string {
  return new TextDecoder().decode(value);
}
