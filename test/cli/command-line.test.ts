import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../src/client/agent-client.ts";
import { type LocalHost, startLocalHost } from "../support/local-host.ts";
import { runFile } from "../support/run-process.ts";

/** The command line as its users meet it: a process with arguments, output and an exit code. */
describe("the command line", () => {
  let host: LocalHost;
  let client: AgentClient;

  beforeAll(async () => {
    host = await startLocalHost();
    client = new AgentClient({ baseUrl: host.baseUrl });
    await client.registerAgent({ agentId: "lead", role: "supervisor" });
    await client.registerAgent({ agentId: "hand", role: "worker", capabilities: ["dig"], maxConcurrentTasks: 10 });
  });
  afterAll(async () => {
    await host?.stop();
  });

  const run = (args: readonly string[], options: { input?: string; environment?: Record<string, string> } = {}) =>
    runFile("src/cli/main.ts", args, {
      ...options,
      environment: { AGENT_COMMUNICATION_URL: host.baseUrl, ...options.environment },
    });
  /** Runs with --json, expects success, and gives the parsed reply. */
  const json = async (args: readonly string[], input?: string): Promise<Record<string, unknown>> => {
    const { code, out, error } = await run([...args, "--json"], input === undefined ? {} : { input });
    expect([code, error]).toEqual([0, ""]);
    return JSON.parse(out);
  };

  it("health: a table, or JSON", async () => {
    const { code, out } = await run(["health"]);
    expect(code).toBe(0);
    expect(out).toMatch(/^status +healthy$/m);
    expect(out).toMatch(/^checks\.databaseConnection +true$/m);
    expect(await json(["health"])).toEqual(await client.health());
  });

  it("health: exit code 1 when the service says that it is unhealthy", async () => {
    const body = JSON.stringify({ status: "unhealthy", checks: { databaseConnection: false } });
    const server = createServer((_request, response) =>
      response.writeHead(503, { "content-type": "application/json" }).end(body),
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const { code, out } = await run(["health", "--url", `http://127.0.0.1:${port}/api`]);
    server.close();
    expect(code).toBe(1);
    expect(out).toMatch(/^checks\.databaseConnection +false$/m);
  });

  it("stats and metrics", async () => {
    expect(await json(["stats", "queue"])).toHaveProperty("messagesPerMinute");
    expect(await json(["stats", "registry"])).toMatchObject({ byRole: { worker: 1 } });
    expect(await json(["stats", "coordination"])).toHaveProperty("metrics.tasksAssigned");
    expect(await json(["metrics"])).toHaveProperty("performance.errorRate");
    expect((await run(["stats", "registry"])).out).toMatch(/^byRole\.worker +1$/m);
    expect((await run(["metrics", "--prometheus"])).out).toMatch(/^# TYPE \S+ gauge$/m);
  });

  it("agents: register, list, show, heartbeat, deregister", async () => {
    const words = [
      "agents",
      "register",
      "extra",
      "--role",
      "worker",
      "--capabilities",
      "dig,c++",
      "--metadata",
      '{"zone":1}',
    ];
    expect(await json(words)).toMatchObject({
      agent: { agentId: "extra", capabilities: ["c++", "dig"], metadata: { zone: 1 } },
    });
    const list = await run(["agents", "list", "--capability", "c++"]);
    expect(list.out.split("\n")[0]).toMatch(/^AGENT +ROLE +STATUS +TASKS/);
    expect(list.out.split("\n")[1]).toMatch(/^extra +worker +active +0\/1/);
    const first = await json(["agents", "list", "--limit", "1"]);
    expect(first).toMatchObject({ agents: [{ agentId: "extra" }], nextCursor: expect.any(String) });
    const second = await run(["agents", "list", "--limit", "1", "--cursor", String(first.nextCursor)]);
    expect(second.out).toContain("hand");
    expect(second.out).toMatch(/more: --cursor \S+/);
    expect(await json(["agents", "heartbeat", "extra", "--status", "draining"])).toMatchObject({ status: "draining" });
    expect((await run(["agents", "show", "extra"])).out).toMatch(/^status +draining$/m);
    expect(await json(["agents", "deregister", "extra"])).toMatchObject({ status: "deregistered" });
  });

  it("send, peek, receive, settle", async () => {
    const sent = await json(["send", "hand", "--from", "lead", "--type", "query", "--payload", "-"], '{"a":[1,2]}');
    const messageId = String(sent.messageId);
    expect((await run(["messages", "peek", "hand"])).out).toContain(messageId);
    const received = await json(["receive", "hand", "--types", "query"]);
    expect(received).toMatchObject({ messages: [{ messageId, attempt: 1, payload: { a: [1, 2] } }] });
    const settle = ["messages", "settle", messageId, "--agent", "hand", "--attempt"];
    const stale = await run([...settle, "7"]);
    expect([stale.code, stale.out]).toEqual([1, expect.stringContaining("lease_lost")]);
    expect((await run([...settle, "1", "--outcome", "retry", "--delay-seconds", "0"])).code).toBe(0);
    const again = await run(["receive", "hand", "--complete"]);
    expect([again.code, again.out]).toEqual([0, expect.stringContaining(messageId)]);
    expect(await json(["messages", "show", messageId])).toMatchObject({ status: "completed", attempt: 2 });
    expect((await run(["receive", "hand"])).out).toBe("(none)\n");
  });

  it("channels: create, list, show, add, members, grant, send, receive, remove, delete", async () => {
    const made = ["channels", "create", "digs", "--kind", "work_queue", "--description", "holes", "--members", "hand"];
    for (let n = 0; n < 2; n++) expect(await json(made)).toMatchObject({ name: "digs", memberCount: 1, grants: [] });
    expect((await run(["channels", "list", "--kind", "work_queue"])).out).toMatch(/^digs +work_queue +1 +\*/m);
    expect(await json(["channels", "add", "digs", "lead"])).toMatchObject({ agentId: "lead" });
    expect((await run(["channels", "members", "digs"])).out).toMatch(/^hand +\S+\nlead +\S+$/m);
    const grant = ["channels", "grant", "digs"];
    expect(await json([...grant, "--role", "worker", "--post"])).toMatchObject({
      grants: [{ role: "worker", post: true, read: false, manage: false }],
    });
    expect((await run(["channels", "show", "digs"])).out).toMatch(/^grants +\[\{"role":"worker","post":true/m);
    expect(await json([...grant, "--role", "worker"])).toMatchObject({ grants: [] });
    for (const wrong of [grant, [...grant, "--agent", "hand", "--role", "worker"]]) {
      const refused = await run(wrong);
      expect([refused.code, refused.error]).toEqual([2, expect.stringContaining("--agent")]);
    }
    const { messageId } = await json(["send", "#digs", "--from", "lead", "--payload", "1"]);
    const received = await run(["channels", "receive", "digs", "--agent", "hand", "--complete"]);
    expect([received.code, received.out]).toEqual([0, expect.stringContaining(String(messageId))]);
    expect(await json(["messages", "show", String(messageId)])).toMatchObject({ status: "completed", holder: "hand" });
    expect(await json(["channels", "remove", "digs", "lead"])).toEqual({ name: "digs", agentId: "lead" });
    expect((await run(["channels", "delete", "digs"])).code).toBe(0);
    const gone = await run(["channels", "show", "digs"]);
    expect([gone.code, gone.error]).toEqual([1, expect.stringContaining("CHANNEL_NOT_FOUND")]);
  });

  it("cannot be made to control the terminal by what is in a message", async () => {
    const payload = JSON.stringify({ text: "\u001b[31mred\u0007\u202e" });
    const { messageId } = await json(["send", "hand", "--from", "lead", "--payload", payload]);
    const { out } = await run(["receive", "hand", "--complete"]);
    expect(out).toContain(String(messageId));
    expect(out).toContain("\\u001b[31mred\\u0007\\u202e");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that there is none is the point
    expect(out).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
  });

  it("tasks: preview, assign, list, show, explain, history, cancel", async () => {
    const words = [
      "dig-hole",
      "--supervisor",
      "lead",
      "--require",
      "dig",
      "--parameters",
      '{"depth":2}',
      "--priority",
      "high",
    ];
    const preview = await run(["tasks", "preview", ...words]);
    expect(preview.out).toMatch(/^chosen: hand$/m);
    expect(preview.out).toMatch(/^→ +hand +0\/10 +0\.00/m);
    const task = await json(["tasks", "assign", ...words, "--task-id", "hole-1"]);
    expect(task).toEqual({ taskId: "hole-1", status: "assigned", assignedTo: "hand", attempt: 1 });
    expect(await json(["tasks", "assign", ...words, "--task-id", "hole-1"])).toEqual(task);
    expect((await run(["tasks", "list", "--type", "dig-hole"])).out).toMatch(/^hole-1 +dig-hole +assigned +high/m);
    expect(await json(["tasks", "show", "hole-1"])).toMatchObject({ parameters: { depth: 2 }, priority: "high" });
    expect((await run(["tasks", "explain", "hole-1"])).out).toMatch(/^attempt 1: .* → under way$/m);
    expect((await run(["tasks", "cancel", "hole-1", "--reason", "rain"])).code).toBe(0);
    const history = await json(["tasks", "history", "hole-1"]);
    expect(history).toMatchObject({ events: [{ event: "cancelled" }, { event: "assigned" }, { event: "created" }] });
    expect((await run(["tasks", "explain", "hole-1"])).out).toMatch(/→ cancelled 20/);
    await json(["receive", "hand", "--max", "50", "--complete"]);
  });

  it("dead-letters: list, redrive, purge", async () => {
    for (const messageId of ["dead-1", "dead-2"]) {
      await client.sendMessage({ messageId, sender: "lead", receiver: "hand", type: "query" });
      await client.receiveMessages("hand", { types: ["query"] });
      await client.deadLetterMessage(messageId, { agentId: "hand", attempt: 1, reason: "BROKEN" });
    }
    expect((await run(["dead-letters", "list", "--reason", "BROKEN"])).out).toMatch(
      /^dead-1 +lead +hand +query +1 .*BROKEN$/m,
    );
    expect(await json(["dead-letters", "redrive", "--reason", "BROKEN", "--dry-run"])).toEqual({ count: 2 });
    expect(await json(["dead-letters", "redrive", "--ids", "dead-1"])).toEqual({ count: 1 });
    expect((await client.getMessage("dead-1")).status).toBe("queued");
    const careless = await run(["dead-letters", "purge"]);
    expect([careless.code, careless.error]).toEqual([2, expect.stringContaining("--all")]);
    expect(await json(["dead-letters", "purge", "--all"])).toEqual({ count: 1 });
  });

  it("message-types: put, list, show, delete; sends that break the schema are refused", async () => {
    const schema = '{"type":"object","required":["total"]}';
    expect(await json(["message-types", "put", "invoice.created", "--schema", schema])).toMatchObject({
      type: "invoice.created",
    });
    expect((await run(["message-types", "list"])).out).toContain("invoice.created");
    expect(await json(["message-types", "show", "invoice.created"])).toMatchObject({ schema: JSON.parse(schema) });
    const broken = await run(["send", "hand", "--from", "lead", "--type", "invoice.created", "--payload", "{}"]);
    expect([broken.code, broken.out, broken.error]).toEqual([1, "", expect.stringContaining("SCHEMA_MISMATCH")]);
    expect((await run(["message-types", "delete", "invoice.created"])).code).toBe(0);
  });

  it("maintenance and openapi", async () => {
    expect(await json(["maintenance"])).toMatchObject({ finished: true });
    expect(await json(["openapi"])).toHaveProperty("openapi");
  });

  it("exit code 1: what the service refuses, with code, detail and fields", async () => {
    const unknown = await run(["agents", "show", "nobody"]);
    expect([unknown.code, unknown.out, unknown.error]).toEqual([1, "", expect.stringContaining("AGENT_NOT_FOUND")]);
    const invalid = await run(["agents", "register", "bad id", "--max-concurrent-tasks", "-1"]);
    expect(invalid.code).toBe(1);
    expect(invalid.error).toMatch(/^ {2}agentId: /m);
    expect(invalid.error).toMatch(/^ {2}maxConcurrentTasks: /m);
  });

  it.each([
    [["nonsense"], "unknown command"],
    [["agents", "list", "--limit", "many"], "must be a number"],
    [["agents", "list", "--role", "king"], "supervisor, worker"],
    [["send", "hand"], "--from"],
    [["send", "hand", "--from", "lead", "--payload", "{oops"], "not JSON"],
    [["send", "hand", "--from", "lead", "--payload", "@no/such/file"], "ENOENT"],
    [["health", "--url", "nowhere"], "not the URL"],
  ])("exit code 2: %j", async (words, complaint) => {
    const { code, out, error } = await run(words);
    expect([code, out, error]).toEqual([2, "", expect.stringContaining(complaint)]);
  });

  it("exit code 3: nobody answers there, and the address is named", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const { code, error } = await run(["health"], {
      environment: { AGENT_COMMUNICATION_URL: `http://127.0.0.1:${port}/api` },
    });
    expect([code, error]).toEqual([3, expect.stringContaining(`127.0.0.1:${port}`)]);
  });

  it("help says the exit codes, on standard output", async () => {
    const { code, out, error } = await run(["--help"]);
    expect([code, error]).toEqual([0, ""]);
    expect(out).toContain("Exit codes: 0 done · 1 refused");
  });
});
