/**
 * What etcd's log says of its members: pure.
 *
 * While etcd waits for a majority it answers no client, so its log is the one
 * place that tells whom it counts: also members that somebody added with
 * `etcdctl`, which no setting of this node names.
 *
 * @module
 */

/** A member as etcd's log last told of it. */
export interface LogPeer {
  /** Its peer URL. */
  readonly peerUrl: string;
  /** Whether it is the node's own. */
  readonly isOwn: boolean;
  /** Whether etcd has a connection to it. */
  readonly isActive: boolean;
  /** Whether it refuses this member as one of another cluster. */
  readonly refuses: boolean;
}

type Fields = Readonly<Record<string, unknown>>;

/** The members by their IDs, after these lines and what was `known` before them. */
export function peersInLog(
  lines: readonly string[],
  known: ReadonlyMap<string, LogPeer> = new Map(),
): ReadonlyMap<string, LogPeer> {
  const peers = new Map(known);
  const change = (id: unknown, changes: Partial<LogPeer>) => {
    const peer = typeof id === "string" ? peers.get(id) : undefined;
    if (peer) peers.set(String(id), { ...peer, ...changes });
  };
  for (const line of lines) {
    const fields = INTERESTING_REGEXP.test(line) ? fieldsIn(line) : undefined;
    if (fields === undefined) continue;
    const added = addedIn(fields);
    if (added && !peers.has(added.id)) {
      const isOwn = added.id === fields["local-member-id"];
      peers.set(added.id, {
        peerUrl: added.peerUrl,
        isOwn,
        isActive: isOwn,
        refuses: false,
      });
    }
    const removed = fields["removed-remote-peer-id"];
    if (typeof removed === "string") peers.delete(removed);
    const message = String(fields["msg"]);
    if (message === "peer became active") {
      change(fields["peer-id"], { isActive: true, refuses: false });
    } else if (message.startsWith("peer became inactive")) {
      change(fields["peer-id"], { isActive: false });
    } else if (/cluster ID mismatch/.test(message)) {
      const id = fields["remote-peer-id"] ?? fields["remote-peer-server-name"];
      change(id, { refuses: true });
    }
  }
  return peers;
}

const INTERESTING_REGEXP =
  /-peer-urls":|"removed-remote-peer-id":|"peer became |cluster ID mismatch/;

function addedIn(
  fields: Fields,
): { readonly id: string; readonly peerUrl: string } | undefined {
  for (
    const [idName, urlsName] of [
      ["recovered-remote-peer-id", "recovered-remote-peer-urls"],
      ["added-peer-id", "added-peer-peer-urls"],
    ] as const
  ) {
    const [id, urls] = [fields[idName], fields[urlsName]];
    const peerUrl: unknown = Array.isArray(urls) ? urls[0] : undefined;
    if (typeof id === "string" && typeof peerUrl === "string") {
      return { id, peerUrl };
    }
  }
  return undefined;
}

function fieldsIn(line: string): Fields | undefined {
  try {
    const fields: unknown = JSON.parse(line);
    return typeof fields === "object" && fields !== null
      ? fields as Fields
      : undefined;
  } catch {
    return undefined;
  }
}
