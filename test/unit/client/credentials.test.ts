import { describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import type { AgentClientOptions } from "../../../src/client/route-caller.ts";
import { caught } from "../../contract/support.ts";

/** What the client sends to say who it is, in every try. */

type Answers = (() => Response | Promise<Response>)[];

/** A client whose tries get these answers, the last one again and again, and what it sent. */
function clientOf(options: Partial<AgentClientOptions>, answers: Answers = [() => new Response("{}")]) {
  const sent: Headers[] = [];
  const client = new AgentClient({
    baseUrl: "http://127.0.0.1:9/api",
    fetch: async (_url, init) => {
      sent.push(new Headers(init.headers));
      const answer = answers[Math.min(sent.length, answers.length) - 1];
      if (answer === undefined) throw new Error("no answer");
      return answer();
    },
    ...options,
  });
  return { client, sent };
}

const lost = () => Promise.reject(new Error("connection lost"));
const busy = () => new Response("{}", { status: 429 });
const done = () => new Response("{}");
const names = (sent: readonly Headers[], name: string) => sent.map((headers) => headers.get(name));

describe("the client's credential", () => {
  it("is a bearer token in every call; without one there is no header", async () => {
    const { client, sent } = clientOf({ token: "agt_x" });
    await client.getAgent("a");
    await client.sendMessage({ sender: "a", receiver: "b", type: "query" });
    expect(names(sent, "authorization")).toEqual(["Bearer agt_x", "Bearer agt_x"]);
    const without = clientOf({});
    await without.client.getAgent("a");
    expect(names(without.sent, "authorization")).toEqual([null]);
    expect(names(without.sent, "x-agent-id")).toEqual([null]);
  });

  it("may be a function, asked for every call, so that it can be renewed", async () => {
    let calls = 0;
    const token = async () => {
      calls += 1;
      return `token-${calls}`;
    };
    const { client, sent } = clientOf({ token, agentId: "blue-1" });
    await client.getAgent("a");
    await client.getAgent("a");
    expect(names(sent, "authorization")).toEqual(["Bearer token-1", "Bearer token-2"]);
    expect(names(sent, "x-agent-id")).toEqual(["blue-1", "blue-1"]);
    const plain = clientOf({ token: () => "plain" });
    await plain.client.getAgent("a");
    expect(names(plain.sent, "authorization")).toEqual(["Bearer plain"]);
  });

  it("that cannot be had fails the call, and nothing is sent", async () => {
    const { client, sent } = clientOf({ token: () => Promise.reject(new Error("no token for you")) });
    await expect(client.getAgent("a")).rejects.toThrow("no token for you");
    expect(sent).toEqual([]);
  });
});

describe("registering", () => {
  it("has one Idempotency-Key in every try, another one in every call, or the caller's", async () => {
    const { client, sent } = clientOf({}, [lost, busy, done, done]);
    const agent = { agentId: "a", role: "worker" } as const;
    await client.registerAgent(agent);
    await client.registerAgent(agent);
    await client.registerAgent(agent, { idempotencyKey: "mine" });
    const [first, second, third, next, mine] = names(sent, "idempotency-key");
    expect(first).toMatch(/^[0-9a-f-]{36}$/);
    expect([second, third]).toEqual([first, first]);
    expect(next).not.toBe(first);
    expect(mine).toBe("mine");
  });

  it("hands over the token that comes with it", async () => {
    const agent = { agentId: "a" };
    const { client } = clientOf({ token: "enr_key" }, [() => Response.json({ agent, token: "agt_own" })]);
    expect((await client.registerAgent({ agentId: "a", role: "worker" })).token).toBe("agt_own");
  });
});

describe("issuing a credential", () => {
  it("is not repeated after a lost answer: it would issue another one", async () => {
    const { client, sent } = clientOf({}, [lost, done]);
    expect(await caught(client.issueCredential({ kind: "token", agentId: "a" }))).toBe("STORE_UNAVAILABLE");
    expect(sent).toHaveLength(1);
  });

  it("is repeated when nothing was done", async () => {
    const { client, sent } = clientOf({}, [busy, done]);
    await client.issueCredential({ kind: "token", agentId: "a" });
    expect(sent).toHaveLength(2);
  });
});
