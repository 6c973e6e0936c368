/**
 * Many who listen to few signals.
 *
 * @module
 */

/** The members of one signal. */
interface Group<Member> {
  readonly members: Set<Member>;
  readonly onAbort: () => void;
}

/**
 * One listener for each signal, however many share it: the runtime takes the
 * longer to add one the more there are.
 */
export class SignalGroups<Member> {
  readonly #groups = new Map<AbortSignal, Group<Member>>();
  readonly #onAbort: (member: Member, reason: unknown) => void;

  /** `onAbort` is called for each member of a signal that aborts, in the order in which they came. */
  constructor(onAbort: (member: Member, reason: unknown) => void) {
    this.#onAbort = onAbort;
  }

  /** Lets a member hear of a signal. */
  add(signal: AbortSignal, member: Member): void {
    let group = this.#groups.get(signal);
    if (group === undefined) {
      group = { members: new Set(), onAbort: () => this.#abort(signal) };
      this.#groups.set(signal, group);
      signal.addEventListener("abort", group.onAbort, { once: true });
    }
    group.members.add(member);
  }

  /** Lets it hear no more. */
  remove(signal: AbortSignal, member: Member): void {
    const group = this.#groups.get(signal);
    if (!group?.members.delete(member) || group.members.size > 0) return;
    this.#groups.delete(signal);
    signal.removeEventListener("abort", group.onAbort);
  }

  #abort(signal: AbortSignal): void {
    const group = this.#groups.get(signal);
    this.#groups.delete(signal);
    for (const member of group?.members ?? []) {
      this.#onAbort(member, signal.reason);
    }
  }
}
