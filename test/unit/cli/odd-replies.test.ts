import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { runFile } from "../../support/run-process.ts";

/** Something that answers, and is no switchboard: a proxy, another service at the same port, a broken release. */
describe("a reply that is none", () => {
  let server: Server;
  let url: string;
  let answer: { status: number; body: string } = { status: 200, body: "{}" };

  beforeAll(async () => {
    server = createServer((request, response) => {
      request.resume().on("end", () => {
        response.writeHead(answer.status, { "content-type": "application/json" }).end(answer.body);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api`;
  });
  afterAll(() => {
    server.close();
  });

  const run = (...args: string[]) => runFile("src/cli/main.ts", ["--url", url, ...args]);

  /** What changes something, what lists, and what shows one object. */
  const COMMANDS = [
    ["send", "hand", "--from", "lead"],
    ["messages", "settle", "m-1", "--agent", "hand", "--attempt", "1"],
    ["receive", "hand", "--complete"],
    ["agents", "list"],
    ["tasks", "show", "t-1"],
    ["maintenance"],
    ["audit", "verify"],
  ];

  it.each(["{}", "null", "[]", '{"agents":[null],"messages":[null],"results":[null],"nextCursor":null}'])(
    "%s is one sentence and exit code 1, whatever was asked",
    async (body) => {
      answer = { status: 200, body };
      const replies = await Promise.all(COMMANDS.map((command) => run(...command)));
      for (const { code, out, error } of replies) {
        expect([code, out]).toEqual([1, ""]);
        expect(error).toMatch(
          /^error: INTERNAL: \S+ \S+ was answered with something that is not a reply of this service: .+\.\n$/,
        );
      }
    },
  );

  it("and JSON with --json", async () => {
    answer = { status: 200, body: '{"agents":[{"agentId":"a"}],"nextCursor":null}' };
    const { code, error } = await run("agents", "list", "--json");
    expect(code).toBe(1);
    expect(JSON.parse(error)).toEqual({
      code: "INTERNAL",
      detail:
        "GET /agents was answered with something that is not a reply of this service: agents.0.role is missing, or of another kind.",
      status: 500,
    });
  });

  it("but a newer service may say more: members and words that this program does not know", async () => {
    const agent = {
      agentId: "a",
      role: "worker",
      capabilities: [],
      maxConcurrentTasks: 1,
      status: "sleeping",
      activeTasks: 0,
      registeredAt: "2026-01-01T00:00:00.000Z",
      lastHeartbeatAt: "2026-01-01T00:00:00.000Z",
      performance: {
        completed: 0,
        failed: 0,
        lost: 0,
        released: 0,
        successRate: null,
        meanDurationSeconds: null,
        p95DurationSeconds: null,
      },
      mood: "good",
    };
    answer = { status: 200, body: JSON.stringify({ agents: [agent], nextCursor: null, total: 1 }) };
    expect(await run("agents", "list")).toMatchObject({ code: 0, out: expect.stringMatching(/^a +worker +sleeping/m) });
  });

  it("a problem document of odd kinds is its status and no more", async () => {
    answer = {
      status: 400,
      body: '{"code":5,"detail":[],"errors":[{"path":{"toString":1,"valueOf":1},"message":[[]]},7]}',
    };
    const { code, error } = await run("agents", "list");
    expect([code, error]).toEqual([
      1,
      "error: INVALID_REQUEST: GET /agents answered 400 without a problem document.\n  (body): \n",
    ]);
  });
});
