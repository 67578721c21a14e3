import type { Caller } from "./caller.ts";

/** What a gate sees of a request. */
export interface Approach {
  /** The value of a header by its lower-case name; repeated ones arrive joined by commas. */
  header(name: string): string | undefined;
}

/** Who comes in: made once per process from the settings, asked once per request, before its body is read where a host can. */
export interface Gate {
  /**
   * Who calls.
   *
   * @param needed false on routes that anyone may call: credentials are not looked at, so that asking whether the process
   * lives depends on nothing else
   * @throws UNAUTHENTICATED, FORBIDDEN, RATE_LIMITED, INVALID_REQUEST, STORE_UNAVAILABLE
   */
  admit(approach: Approach, needed: boolean): Caller | Promise<Caller>;
}
