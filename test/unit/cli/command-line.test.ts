import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { runFile } from "../../support/run-process.ts";

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
    const checks = { ...(await client.health()).checks, databaseConnection: false };
    const body = JSON.stringify({ status: "unhealthy", checks });
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

  it("JSON with a name twice in an object is a wrong command line", async () => {
    const payload = '{"order": {"id": 1, "id": 2}}';
    const { code, error } = await run(["send", "hand", "--from", "lead", "--payload", payload]);
    expect([code, error]).toEqual([2, expect.stringMatching(/--payload: order\.id is given more than once/)]);
  });

  it("JSON with a number that would be changed is a wrong command line, from an option, a file and standard input", async () => {
    const folder = mkdtempSync(join(tmpdir(), "agent-communication-numbers-"));
    const file = join(folder, "payload.json");
    const text = '{"order": {"id": 9007199254740993}}';
    writeFileSync(file, text);
    const send = ["send", "hand", "--from", "lead", "--payload"];
    for (const payload of [text, `@${file}`, "-"]) {
      const { code, error } = await run([...send, payload], { input: text });
      expect([payload, code, error]).toEqual([
        payload,
        2,
        expect.stringMatching(/--payload: order\.id is a number beyond 2\^53/),
      ]);
    }
    rmSync(folder, { recursive: true });
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
      "--heartbeat-timeout",
      "3600",
    ];
    expect(await json(words)).toMatchObject({
      agent: { agentId: "extra", capabilities: ["c++", "dig"], metadata: { zone: 1 }, heartbeatTimeoutSeconds: 3_600 },
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
    expect((await run(["channels", "members", "digs"])).out).toMatch(
      /^hand +(?:now|\d+s ago)\nlead +(?:now|\d+s ago)$/m,
    );
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

  it("cannot be made to control the terminal by names of keys, C1 or bidirectional controls, in any view", async () => {
    const hostile = "k\u001b[2J\u009b31m\u202e\n2999  error: forged";
    const payload = JSON.stringify({ [hostile]: { [hostile]: hostile } });
    const { messageId } = await json(["send", "hand", "--from", "lead", "--payload", payload]);
    const raw = /(?!\n)[\p{Cc}\p{Cf}\u2028\u2029]/u;
    for (const words of [
      ["messages", "show", String(messageId)],
      ["messages", "show", String(messageId), "--json"],
      ["messages", "peek", "hand"],
      ["messages", "peek", "hand", "--json"],
    ]) {
      const { code, out } = await run(words);
      expect([words, code, raw.test(out), /^2999 {2}error/m.test(out)]).toEqual([words, 0, false, false]);
    }
    const shown = JSON.parse((await run(["messages", "show", String(messageId), "--json"])).out);
    expect(shown.payload).toEqual(JSON.parse(payload));
    const refused = await run(["send", "hand\u009b\u202e", "--from", "lead"]);
    expect([refused.code, raw.test(refused.error)]).toEqual([expect.any(Number), false]);
    await run(["receive", "hand", "--complete"]);
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
      "--start-timeout-seconds",
      "120",
    ];
    const preview = await run(["tasks", "preview", ...words]);
    expect(preview.out).toMatch(/^chosen: hand$/m);
    expect(preview.out).toMatch(/^→ +hand +0\/10 +0\.00/m);
    const task = await json(["tasks", "assign", ...words, "--task-id", "hole-1"]);
    expect(task).toEqual({ taskId: "hole-1", status: "assigned", assignedTo: "hand", attempt: 1 });
    expect(await json(["tasks", "assign", ...words, "--task-id", "hole-1"])).toEqual(task);
    expect((await run(["tasks", "list", "--type", "dig-hole"])).out).toMatch(/^hole-1 +dig-hole +assigned +high/m);
    expect(await json(["tasks", "show", "hole-1"])).toMatchObject({
      parameters: { depth: 2 },
      priority: "high",
      startTimeoutSeconds: 120,
    });
    const soon = ["tasks", "assign", "dig-hole", "--supervisor", "lead", "--start-timeout-seconds", "soon"];
    expect(await run(soon)).toMatchObject({ code: 2, error: expect.stringContaining("--start-timeout-seconds") });
    expect((await run(["tasks", "explain", "hole-1"])).out).toMatch(/^attempt 1: .* → under way$/m);
    const waiting = run(["tasks", "show", "hole-1", "--wait", "--json"]);
    expect((await run(["tasks", "cancel", "hole-1", "--reason", "rain"])).code).toBe(0);
    const { code, out } = await waiting;
    expect([code, JSON.parse(out).status]).toEqual([1, "cancelled"]);
    await client.assignTask({ taskId: "hole-2", taskType: "dig-hole", supervisor: "lead", assignTo: "hand" });
    await client.completeTask("hole-2", { agentId: "hand", attempt: 1, result: { depth: 2 } });
    expect(await json(["tasks", "show", "hole-2", "--wait"])).toMatchObject({ result: { depth: 2 } });
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
    for (const [words, why] of [
      [["--ids", "dead-1,absent-1"], "There is no message absent-1."],
      [["--reason", "UNHEARD_OF"], "No dead letter matches."],
      [["--reason", "BROKEN", "--before", "2020-01-01T00:00:00Z"], "No dead letter from before 2020-01-01T00:00:00Z"],
    ] as const) {
      const { code, out, error } = await run(["dead-letters", "redrive", ...words]);
      expect([code, out, error]).toEqual([0, "count  0\n", expect.stringContaining(why)]);
    }
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
    [["agents", "list", "--limit", "0"], "whole number from 1 to 200"],
    [["agents", "list", "--limit", "201"], "whole number from 1 to 200"],
    [["agents", "list", "--limit", "1.5"], "whole number from 1 to 200"],
    [["agents", "list", "--limit", "0x10"], "must be a number in decimal digits"],
    [["agents", "list", "--limit", " 1"], "must be a number in decimal digits"],
    [["receive", "hand", "--lease-seconds", "1e2"], "must be a number in decimal digits"],
    [["send", "hand"], "--from"],
    [["send", "hand", "--from", "lead", "--payload", "{oops"], "not valid JSON"],
    [["send", "hand", "--from", "lead", "--payload", "@no/such/file"], "ENOENT"],
    [["health", "--url", "nowhere"], "not the URL"],
  ])("exit code 2: %j", async (words, complaint) => {
    const { code, out, error } = await run(words);
    expect([code, out, error]).toEqual([2, "", expect.stringContaining(complaint)]);
  });

  it("says a wrong limit once", async () => {
    const { error } = await run(["agents", "list", "--limit", "0"]);
    expect(error.match(/whole number/g)).toHaveLength(1);
  });

  it("redrive says that the receiver of a dead letter is deregistered", async () => {
    await client.registerAgent({ agentId: "leaver", role: "worker" });
    await client.sendMessage({ messageId: "dead-3", sender: "lead", receiver: "leaver", type: "query" });
    await client.receiveMessages("leaver", { types: ["query"] });
    await client.deadLetterMessage("dead-3", { agentId: "leaver", attempt: 1, reason: "LEFT" });
    await client.deregisterAgent("leaver");
    const byId = await run(["dead-letters", "redrive", "--ids", "dead-3"]);
    expect([byId.code, byId.error]).toEqual([0, "dead-3 stays: its receiver leaver is deregistered.\n"]);
    const byReason = await run(["dead-letters", "redrive", "--reason", "LEFT", "--json"]);
    expect(JSON.parse(byReason.out)).toEqual({ count: 0 });
    expect(byReason.error).toContain("their receivers (leaver for one) are deregistered");
    expect(await json(["dead-letters", "purge", "--reason", "LEFT"])).toEqual({ count: 1 });
  });

  it("--version is that of the package", async () => {
    const { version } = JSON.parse(readFileSync("package.json", "utf8"));
    expect(await run(["--version"])).toEqual({ code: 0, out: `${version}\n`, error: "" });
  });

  it("an empty URL variable counts as absent", async () => {
    const { error } = await run(["agents", "show", "x", "--json"], { environment: { AGENT_COMMUNICATION_URL: "" } });
    expect(JSON.parse(error).detail).toContain(error.includes("UNREACHABLE") ? "http://127.0.0.1:7071" : "x");
  });

  it("@file: a byte order mark is passed over, and what is not UTF-8 is refused", async () => {
    const folder = mkdtempSync(join(tmpdir(), "agent-communication-"));
    const file = join(folder, "payload.json");
    writeFileSync(file, Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from('{"name":"Zoë"}')]));
    const { messageId } = await json(["send", "hand", "--from", "lead", "--payload", `@${file}`]);
    expect(await json(["messages", "show", String(messageId)])).toMatchObject({ payload: { name: "Zoë" } });
    writeFileSync(file, Buffer.from('{"name":"Zo\xeb"}', "latin1"));
    const refused = await run(["send", "hand", "--from", "lead", "--payload", `@${file}`]);
    expect([refused.code, refused.out, refused.error]).toEqual([
      2,
      "",
      `error: --payload: ${file} is not UTF-8 text; save it as UTF-8.\n`,
    ]);
    rmSync(folder, { recursive: true });
  });

  it("--json: errors are JSON on the error output, whether they are the service's or the command line's", async () => {
    const refused = await run(["agents", "show", "absent", "--json"]);
    expect([refused.code, refused.out, JSON.parse(refused.error)]).toEqual([
      1,
      "",
      { code: "AGENT_NOT_FOUND", status: 404, detail: expect.stringContaining("absent") },
    ]);
    const invalid = await run(["agents", "register", "bad id", "--json"]);
    expect(JSON.parse(invalid.error)).toMatchObject({ code: "INVALID_REQUEST", errors: [{ path: "agentId" }] });
    for (const words of [["nonsense"], ["agents"], ["agents", "list", "--limit", "0"], ["dead-letters", "purge"]]) {
      const wrong = await run([...words, "--json"]);
      expect([wrong.code, wrong.out, JSON.parse(wrong.error)]).toEqual([
        2,
        "",
        { code: "USAGE", detail: expect.any(String) },
      ]);
    }
    const unreachable = await run(["health", "--json", "--url", "http://127.0.0.1:1/api"]);
    expect([unreachable.code, JSON.parse(unreachable.error)]).toEqual([
      3,
      { code: "UNREACHABLE", detail: expect.any(String) },
    ]);
  });

  it("lists fit the width that COLUMNS names", async () => {
    await json(["send", "hand", "--from", "lead", "--payload", JSON.stringify("long ".repeat(40))]);
    const lines = (await run(["messages", "peek", "hand"], { environment: { COLUMNS: "150" } })).out
      .trimEnd()
      .split("\n");
    expect(Math.max(...lines.map((line) => line.length))).toBe(150);
    expect(lines.find((line) => line.includes("long"))).toMatch(/^[0-9a-f-]{36} .*…$/);
  });

  it("completion: a script for each shell, and the words that fit", async () => {
    for (const shell of ["bash", "zsh", "fish"]) {
      const { code, out } = await run(["completion", shell]);
      expect([shell, code, out]).toEqual([shell, 0, expect.stringContaining("agent-communication")]);
    }
    const wordsFor = async (...words: string[]) => {
      const { out } = await run(["complete", "--", ...words]);
      return out.split("\n").map((line) => line.split("\t")[0]);
    };
    expect(await wordsFor("")).toEqual(expect.arrayContaining(["health", "agents", "tasks", "completion"]));
    expect(await wordsFor("tasks", "list", "--status", "")).toEqual(expect.arrayContaining(["pending", "completed"]));
    expect(await wordsFor("tasks", "list", "--s")).toContain("--status");
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
