/** The part of fetch that the client uses: enough for the global one, undici's, and one that a user writes. */

/** What `fetch` is asked for. */
export interface FetchRequest {
  method: string;
  headers: Headers;
  cache: "no-store";
  /** A token is for one address only, and a POST that becomes a GET does nothing: redirects are never followed. */
  redirect: "manual";
  signal: AbortSignal;
  body?: string;
}

/** What is read of its answer; a `Response` is one. */
export interface FetchAnswer {
  status: number;
  ok: boolean;
  /** `opaqueredirect` is what browsers show of a redirect. */
  type?: string;
  /** True when `fetch` followed a redirect although it was told not to. */
  redirected?: boolean;
  headers: { get(name: string): string | null };
  text(): Promise<string>;
  /** Where it is there, answers that do not say how long they are are read by it, and no further than any answer can be long. */
  body?: { getReader(): AnswerReader } | null;
}

/** The part of a reader of a stream of bytes that is used. */
export interface AnswerReader {
  read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>;
  cancel(): Promise<unknown>;
}

/** What `fetch` must be able to do for us; the global one can. */
export type Fetch = (url: string, init: FetchRequest) => Promise<FetchAnswer>;
