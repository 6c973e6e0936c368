/**
 * Names for a node and a cluster out of a host's name, whatever that is: pure.
 *
 * @module
 */

import { isDnsName } from "./value_rules.ts";

const MAX_LABEL = 63;
const MAX_NAME = 253;

/**
 * The name of a node on `host`: the same in lower case, with a hyphen for each
 * run of characters that no name may have, or `node` if nothing is left.
 */
export function nodeNameOf(host: string): string {
  const name = labelsOf(host).join(".").slice(0, MAX_NAME)
    .replace(/[-.]+$/, "");
  return isDnsName(name) ? name : "node";
}

/**
 * The name of a cluster that is made on `host`: its first label, or `kat` where
 * that says nothing, as for an address or `localhost`.
 */
export function clusterNameOf(host: string): string {
  const [label = ""] = labelsOf(host);
  const isAddress = host.includes(":") ||
    /^[\d.]+$/.test(host) && host !== label;
  if (label === "" || label === "localhost" || isAddress) return "kat";
  // Programs that read the file as YAML 1.1 would take it for a number.
  return /^\d+$/.test(label) ? `kat-${label}`.slice(0, MAX_LABEL) : label;
}

function labelsOf(host: string): string[] {
  return host.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().split(".")
    .map((label) =>
      label.replace(/[^a-z\d]+/g, "-").replace(/^-/, "").slice(0, MAX_LABEL)
        .replace(/-$/, "")
    )
    .filter((label) => label !== "");
}
