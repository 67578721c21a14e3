import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { routes } from "../../../src/functions/route-table.ts";
import type { Caller } from "../../../src/lib/gates/caller.ts";
import { dispatch } from "../../../src/lib/http/dispatch.ts";
import { parseInput, type RawRequest } from "../../../src/lib/http/request-input.ts";
import type { Route } from "../../../src/lib/http/route.ts";
import { lineLog } from "../../../src/lib/trace/log.ts";
import { EncryptedServices } from "../../support/encrypted-services.ts";

/** A long body is read in steps: one look at 3.4 MB of numbers after the other, and others are served between them. */

const NUMBERS = 200_000;
/** Of 16 digits, each of which takes a close look. */
const first = 10 ** 15;

function batch(last: string): string {
  const numbers = Array.from({ length: NUMBERS }, (_, n) => first + n).join(",");
  return `{"messages":[{"sender":"a","receiver":"b","type":"query","payload":[${numbers},${last}]}]}`;
}

function routeOf(key: string): Route {
  const route = (routes as readonly Route[]).find((one) => one.key === key);
  if (route === undefined) throw new Error(`there is no route ${key}`);
  return route;
}

function post(text: string): RawRequest {
  const body = Buffer.from(text);
  return {
    params: {},
    query: "",
    header: (name) => (name === "content-type" ? "application/json" : undefined),
    bytes: body.length,
    body,
    signal: () => new AbortController().signal,
  };
}

/** How many steps end before one refuses, and what it says. */
function refusedAfter(text: string): [number, string] {
  const steps = parseInput(routeOf("POST /messages/batch"), post(text));
  for (let ended = 0; ; ended += 1) {
    try {
      if (steps.next().done === true) return [ended, "taken"];
    } catch (error) {
      return [ended, error instanceof Error ? error.message : String(error)];
    }
  }
}

describe("a body is looked at in steps", () => {
  it("its shape, its JSON and names, its numbers, its fields", () => {
    const message = '"sender":"a","receiver":"b","type":"query"';
    const body = (more: string) => `{"messages":[{${message}${more}}]}`;
    expect(refusedAfter(`[${"[".repeat(20_000)}`)).toEqual([0, expect.stringContaining("nested deeper")]);
    expect(refusedAfter(body(',"type":"query"'))).toEqual([1, expect.stringContaining("more than once")]);
    expect(refusedAfter(body(',"payload":9007199254740993'))).toEqual([2, expect.stringContaining("2^53")]);
    expect(refusedAfter(body(',"other":1'))).toEqual([3, expect.stringContaining("other")]);
    expect(refusedAfter(body(""))).toEqual([3, "taken"]);
  });
});

describe("others are served between the steps", () => {
  let under: EncryptedServices;
  beforeAll(async () => {
    under = await EncryptedServices.start();
  });
  afterAll(() => under.stop());

  const caller: Caller = {
    kind: "agent",
    agentId: "a",
    role: "worker",
    roles: ["worker"],
    credential: "token",
    credentialId: "cred",
  };

  /** Rounds of the event loop that pass until the numbers of a body are refused. */
  async function rounds(text: string): Promise<number> {
    let passed = 0;
    let over = false;
    const count = () => {
      passed += 1;
      if (!over) setImmediate(count);
    };
    const log = lineLog(() => {});
    setImmediate(count);
    const answer = dispatch(under.services, routeOf("POST /messages/batch"), post(text), caller, log);
    expect((await answer).status).toBe(400);
    over = true;
    return passed;
  }

  it("of a long body, and a short one is read at once", async () => {
    const changed = "9007199254740993";
    const short = `{"messages":[{"sender":"a","receiver":"b","type":"query","payload":[${changed}]}]}`;
    expect(await rounds(short)).toBe(0);
    // The first of several goes at once: one after its shape, and one after its JSON.
    expect(await rounds(batch(changed))).toBe(2);
    // The next one waits for its turn: seven rounds after the first went.
    expect(await rounds("[".repeat(100_000))).toBeGreaterThanOrEqual(4);
    for (let round = 0; round < 10; round += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(await rounds("[".repeat(100_000))).toBe(0);
  });
});
