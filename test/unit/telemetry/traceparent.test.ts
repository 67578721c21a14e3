import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { formatTraceparent, parseTraceparent } from "../../../src/lib/model/traceparent.ts";
import { currentTraceId, currentTraceparent, inTrace, outsideTrace } from "../../../src/lib/trace/current-trace.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";
const GOOD = `00-${TRACE}-${SPAN}-01`;

describe("a traceparent", () => {
  it("is read as W3C Trace Context writes it", () => {
    expect(parseTraceparent(GOOD)).toEqual({ traceId: TRACE, spanId: SPAN, sampled: true });
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-00`)?.sampled).toBe(false);
    // Only the last bit is defined: others may be set by later versions.
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-fe`)?.sampled).toBe(false);
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-03`)?.sampled).toBe(true);
  });

  it("of a later version is read by what version 00 knows of it", () => {
    expect(parseTraceparent(`cc-${TRACE}-${SPAN}-01-what-will-be`)?.traceId).toBe(TRACE);
    expect(parseTraceparent(`cc-${TRACE}-${SPAN}-01`)?.spanId).toBe(SPAN);
    expect(parseTraceparent(`cc-${TRACE}-${SPAN}-01.what`)).toBeUndefined();
  });

  it("that comes twice is the last, which the nearest caller has added", () => {
    const other = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
    expect(parseTraceparent(`${other}, ${GOOD}`)?.traceId).toBe(TRACE);
    expect(parseTraceparent(`${GOOD},nonsense`)).toBeUndefined();
  });

  it.each([
    undefined,
    "",
    "none",
    `ff-${TRACE}-${SPAN}-01`,
    `00-${"0".repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${"0".repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-1`,
    `00-${TRACE}-${SPAN}-01-more`,
    `${GOOD}x`,
    `00-${TRACE.slice(1)}-${SPAN}-01`,
  ])("%j is none", (header) => {
    expect(parseTraceparent(header)).toBeUndefined();
  });

  it("is written so that it reads the same, 55 characters long", () => {
    const hex = (length: number) =>
      fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: length, maxLength: length });
    fc.assert(
      fc.property(hex(32), hex(16), fc.boolean(), (traceId, spanId, sampled) => {
        fc.pre(/[^0]/.test(traceId) && /[^0]/.test(spanId));
        const written = formatTraceparent({ traceId, spanId, sampled });
        expect(written).toHaveLength(55);
        expect(parseTraceparent(written)).toEqual({ traceId, spanId, sampled });
      }),
    );
  });

  it("never makes anything of what is none", () => {
    fc.assert(fc.property(fc.string(), (text) => expect(parseTraceparent(text)).toBeUndefined()));
  });
});

describe("the current trace", () => {
  it("goes along with what is started in it, and with nothing else", async () => {
    expect(currentTraceparent()).toBeUndefined();
    await inTrace({ traceparent: GOOD }, async () => {
      await new Promise((resolve) => setImmediate(resolve));
      expect(currentTraceparent()).toBe(GOOD);
      expect(currentTraceId()).toBe(TRACE);
      outsideTrace(() => expect(currentTraceparent()).toBeUndefined());
    });
    expect(currentTraceId()).toBeUndefined();
  });
});
