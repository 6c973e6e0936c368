/**
 * Reads the counters of an etcd.
 *
 * @module
 */

/** Counters of one etcd at one moment. */
export interface EtcdMetrics {
  /** How many messages clients have sent, by the method's name. */
  readonly messages: ReadonlyMap<string, number>;
  /** How long it has computed, in seconds; NaN where it does not tell. */
  readonly cpuSeconds: number;
}

const MESSAGES_REGEXP =
  /^grpc_server_msg_received_total\{grpc_method="(\w+)",.*\} (\S+)$/gm;
const CPU_REGEXP = /^process_cpu_seconds_total (\S+)$/m;

/** Asks the etcd at `endpoint`. */
export async function readEtcdMetrics(endpoint: string): Promise<EtcdMetrics> {
  return parseEtcdMetrics(await (await fetch(`${endpoint}/metrics`)).text());
}

/** Reads the counters from the text that etcd serves. */
export function parseEtcdMetrics(text: string): EtcdMetrics {
  const messages = new Map<string, number>();
  for (const [, method = "", count] of text.matchAll(MESSAGES_REGEXP)) {
    messages.set(method, (messages.get(method) ?? 0) + Number(count));
  }
  return { messages, cpuSeconds: Number(CPU_REGEXP.exec(text)?.[1]) };
}

/** How many messages of `methods` came between two moments; of all methods if none is named. */
export function messagesBetween(
  before: EtcdMetrics,
  after: EtcdMetrics,
  methods: readonly string[] = [...after.messages.keys()],
): number {
  const count = ({ messages }: EtcdMetrics) =>
    methods.reduce((sum, method) => sum + (messages.get(method) ?? 0), 0);
  return count(after) - count(before);
}
