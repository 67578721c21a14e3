import type { Caller } from "./caller.ts";

/** The certificate that a caller showed in the TLS handshake with us. */
export interface ShownCertificate {
  /** DER form. */
  der: Uint8Array;
  /** False when the handshake found something wrong with it: an unknown authority, a purpose, a time. */
  trusted: boolean;
}

/** What a gate sees of a request. */
export interface Approach {
  /** The value of a header by its lower-case name; repeated ones arrive joined by commas, none of them dropped. */
  header(name: string): string | undefined;
  /** The address that the connection came from; undefined where the host does not say. */
  remoteAddress(): string | undefined;
  /** Undefined where no certificate was shown, or none was asked for. */
  clientCertificate(): ShownCertificate | undefined;
}

/** Who comes in: made once per process from the settings, asked once per request, before its body is read where a host can. */
export interface Gate {
  /**
   * Who calls.
   *
   * @param needed false on routes that anyone may call: credentials are not looked at, so that asking whether the process
   * lives depends on nothing else
   * @throws UNAUTHENTICATED, FORBIDDEN, RATE_LIMITED, INVALID_REQUEST, STORE_UNAVAILABLE, IDENTITY_UNAVAILABLE
   */
  admit(approach: Approach, needed: boolean): Caller | Promise<Caller>;
  /**
   * Takes what a request has cost beyond an ordinary one (request-cost.ts) off what its credential may ask. That request is carried
   * out; the next ones wait. Of the credential alone: others of the same source have not caused it.
   *
   * @param cost in ordinary requests
   */
  charge?(caller: Caller, cost: number): void;
  /** Whether the caller was charged within the last seconds: its requests then take turns with others of that kind (turns.ts). */
  isDear?(caller: Caller): boolean;
  /** Told of each registration and deregistration of this process: what was read of the agent before counts no more. */
  agentChanged?(agentId: string): void;
}
