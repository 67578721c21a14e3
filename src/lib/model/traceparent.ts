/**
 * The header and field `traceparent` of W3C Trace Context (https://www.w3.org/TR/trace-context/): version, trace id, span id
 * and flags, 55 characters in version 00.
 */

/** Where in which trace something happens. */
export interface TraceParent {
  traceId: string;
  spanId: string;
  /** Whether whoever began the trace wants it kept. */
  sampled: boolean;
}

/** Later versions may be longer and are read by what version 00 knows of them; ff is none. */
const FORM = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:$|-)/;
const SAMPLED = 1;

/**
 * Reads a `traceparent`; undefined when it is none, which the standard wants ignored. Of several in one header the last: a
 * caller's instrumented fetch puts its own behind ours, and that is the nearer one.
 *
 * @example
 * parseTraceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")?.sampled; // true
 */
export function parseTraceparent(header: string | undefined): TraceParent | undefined {
  const text = header?.slice(header.lastIndexOf(",") + 1).trim();
  const found = text === undefined ? null : FORM.exec(text);
  if (found === null || (found[1] === "00" && text?.length !== 55)) return undefined;
  const [, , traceId = "", spanId = "", flags = ""] = found;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & SAMPLED) === SAMPLED };
}

/** As it travels, in version 00. */
export function formatTraceparent({ traceId, spanId, sampled }: TraceParent): string {
  return `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`;
}
