/**
 * The classes of errors that keep their class between the threads of an agent,
 * because a thread acts on the difference.
 *
 * @module
 */

import type { ErrorClasses } from "../../base/worker/error_classes.ts";
import { ConfigChangeError } from "../../cluster/cluster_record.ts";
import { ConfigError } from "../../config/config_error.ts";
import { EtcdProcessError } from "../../etcd/process/etcd_process_error.ts";
import {
  AnotherClusterError,
  CompactedError,
  LeadershipLostError,
  OutcomeUnknownError,
  ResignedError,
  StoreClosedError,
  StoreError,
  StoreRequestError,
  StoreUnavailableError,
} from "../../store/state_store.ts";

/** By the name under which all threads know them. */
export const THREAD_ERRORS: ErrorClasses = {
  AnotherClusterError,
  CompactedError,
  ConfigChangeError,
  ConfigError,
  EtcdProcessError,
  LeadershipLostError,
  OutcomeUnknownError,
  ResignedError,
  StoreClosedError,
  StoreError,
  StoreRequestError,
  StoreUnavailableError,
};
