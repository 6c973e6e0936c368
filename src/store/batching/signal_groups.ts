/**
 * One listener for each abort signal, however many share the signal.
 *
 * @module
 */

/** The members of one signal. */
interface Group<Member> {
  readonly members: Set<Member>;
  readonly onAbort: () => void;
}

/** Groups by signal, for the runtime takes the longer to add a listener the more a signal has. */
export class SignalGroups<Member> {
  readonly #groups = new Map<AbortSignal, Group<Member>>();
  readonly #onAbort: (member: Member, reason: unknown) => void;

  /** `onAbort` is called for each member of a signal that aborts, in the order in which they were added. */
  constructor(onAbort: (member: Member, reason: unknown) => void) {
    this.#onAbort = onAbort;
  }

  /** Adds a member to the group of a signal. */
  add(signal: AbortSignal, member: Member): void {
    let group = this.#groups.get(signal);
    if (group === undefined) {
      group = { members: new Set(), onAbort: () => this.#abort(signal) };
      this.#groups.set(signal, group);
      signal.addEventListener("abort", group.onAbort, { once: true });
    }
    group.members.add(member);
  }

  /** Removes a member from the group of a signal, if it is there. */
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
