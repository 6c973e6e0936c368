/**
 * The store on etcd, with the interface, errors and keys of every store.
 *
 * @module
 */

export * from "./interface.ts";
export { EtcdStore, type EtcdStoreInit } from "../src/store/etcd/etcd_store.ts";
