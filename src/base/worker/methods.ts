/**
 * What one thread does for another, as types: an interface of methods, seen
 * from the side that uses them and from the side that has them.
 *
 * @module
 */

/** What a method takes. */
export type InputOf<Method> = Method extends (...args: infer Args) => unknown
  ? Args extends [infer Input] ? Input : void
  : never;
/** What a method returns in the end. */
export type ResultOf<Method> = Method extends (...args: never[]) => infer Result
  ? Awaited<Result>
  : never;

/** What a request has besides its input. */
export interface RequestOptions {
  /** Asks the request to end; it rejects with the signal's reason once it has. */
  readonly signal?: AbortSignal | undefined;
  /**
   * How long the other side may take to end the request once it was asked to,
   * in milliseconds; then the request rejects all the same. @default {for ever}
   */
  readonly graceMs?: number | undefined;
}

/**
 * The methods of another thread, as they are used here. `Methods` is an
 * interface of methods that take one value at most; what they take and return
 * is plain data.
 */
export type Remote<Methods, Options = RequestOptions> = {
  readonly [Name in keyof Methods]: (
    input: InputOf<Methods[Name]>,
    options?: Options,
  ) => Promise<ResultOf<Methods[Name]>>;
};

/** The same methods, as the other thread has them. */
export type Served<Methods, Context> = {
  readonly [Name in keyof Methods]: (
    input: InputOf<Methods[Name]>,
    context: Context,
  ) => ResultOf<Methods[Name]> | Promise<ResultOf<Methods[Name]>>;
};

/** What a method has besides its input. */
export interface ServedContext {
  /** Aborts when the other side wants the request to end. */
  readonly signal: AbortSignal;
}

/** What answers a request: some object with methods. */
export type Methods = Readonly<Record<never, unknown>>;
