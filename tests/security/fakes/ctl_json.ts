/**
 * What etcd's own client says, as data whose long numbers stay whole.
 *
 * @module
 */

import { etcdctl } from "../../machine/etcdctl.ts";

/** Runs `etcdctl … -w=json`; numbers that JavaScript cannot hold come as text. */
export async function ctlJson(
  endpoint: string,
  ...args: string[]
): Promise<unknown> {
  const text = await etcdctl(endpoint, ...args, "-w=json");
  return JSON.parse(text.replaceAll(/:(\d{16,})/g, ':"$1"'));
}
