import { describe, expect, it } from "@jest/globals";
import type { Approach } from "../../../src/lib/gates/gate.ts";
import { sourceOf } from "../../../src/lib/gates/source.ts";

function approach(forwarded: string | undefined, remote: string | undefined): Approach {
  return {
    header: (name) => (name === "x-forwarded-for" ? forwarded : undefined),
    remoteAddress: () => remote,
    clientCertificate: () => undefined,
  };
}

describe("the source of a request", () => {
  it("is the socket's address where no proxy is trusted, whatever headers say", () => {
    expect(sourceOf(approach("6.6.6.6", "192.0.2.1"), 0)).toBe("192.0.2.1");
    expect(sourceOf(approach(undefined, "::ffff:192.0.2.1"), 0)).toBe("192.0.2.1");
    expect(sourceOf(approach(undefined, undefined), 0)).toBe("unknown");
  });

  it("is what the outermost trusted proxy saw; earlier hops are the caller's words and change nothing", () => {
    const forged = ["", "6.6.6.6, ", "6.6.6.6,7.7.7.7, ", "unknown, ,, "];
    for (const before of forged) {
      expect(sourceOf(approach(`${before}203.0.113.7`, "10.0.0.1"), 1)).toBe("203.0.113.7");
      expect(sourceOf(approach(`${before}203.0.113.7:51234`, undefined), 1)).toBe("203.0.113.7");
      expect(sourceOf(approach(`${before}203.0.113.7, 10.0.0.9`, "10.0.0.1"), 2)).toBe("203.0.113.7");
    }
  });

  it("is the socket's where the header is shorter than the row of proxies", () => {
    expect(sourceOf(approach("203.0.113.7", "10.0.0.1"), 2)).toBe("10.0.0.1");
    expect(sourceOf(approach(undefined, "10.0.0.1"), 1)).toBe("10.0.0.1");
    expect(sourceOf(approach("", undefined), 1)).toBe("unknown");
  });

  it("is the /64 of an IPv6 address, in one spelling", () => {
    for (const address of ["2001:db8:0:7::1", "2001:DB8:0:7:ffff:ffff:ffff:ffff", "[2001:db8::7:1:2:3:4]:443"]) {
      expect(sourceOf(approach(address, undefined), 1)).toBe("2001:db8:0:7::/64");
    }
    expect(sourceOf(approach(undefined, "2001:db8:0:8::1"), 0)).toBe("2001:db8:0:8::/64");
    expect(sourceOf(approach(undefined, "::1"), 0)).toBe("0:0:0:0::/64");
  });

  it("keeps no long text", () => {
    expect(sourceOf(approach("x".repeat(10_000), undefined), 1)).toBe("unknown");
  });
});
