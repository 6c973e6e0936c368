/**
 * Which etcd this agent was made for.
 *
 * @module
 */

/** The release that is fetched when `cluster.kat` names no other; its hashes are known. */
export const PINNED_ETCD_VERSION = "3.6.14";
