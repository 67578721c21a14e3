import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "@jest/globals";
import { childOfTest } from "../../support/child-of-test.ts";
import { ROOT, START_OPTIONS } from "../../support/local-host.ts";
import { spawnHost, startLocalHost, temporaryFolder } from "../http/local-host.ts";

const folder = temporaryFolder();
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A start that must fail: exit 1, nothing on stdout, one line on stderr. */
async function failedStart(settings: Record<string, string>): Promise<string> {
  const host = spawnHost({ AGENT_HTTP_PORT: "0", AGENT_MOCK_DATABASE: join(folder, "failed.db"), ...settings });
  const { code } = await host.ended;
  const lines = host.stderr().trimEnd().split("\n");
  expect({ code, stdout: host.stdout(), lines: lines.length }).toEqual({ code: 1, stdout: "", lines: 1 });
  return lines[0] ?? "";
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function post(url: string, body: unknown): Promise<Response> {
  return fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
}

describe("npm start", () => {
  it("prints one line, serves, keeps its file, and ends with 0 on SIGTERM although connections stay open", async () => {
    const host = await startLocalHost();
    const file = join(host.folder, "agents.db");
    const facts = `mode mock, database ${file}, no credentials required`;
    expect(host.stdout()).toBe(`agent-communication listens on ${host.url} (${facts})\n`);
    expect((await post(`${host.url}/agents`, { agentId: "a", role: "worker" })).status).toBe(201);
    // Its owner alone can read it, the log of the last commits included.
    for (const suffix of ["", "-wal", "-shm"]) expect(statSync(file + suffix).mode & 0o777).toBe(0o600);
    // An idle kept-alive connection, and one that never finishes its request.
    const { port, hostname } = new URL(host.url);
    const slow = connect(Number(port), hostname, () =>
      slow.write("POST /api/agents HTTP/1.1\r\nHost: localhost\r\nContent-Le"),
    );
    slow.on("error", () => undefined);
    host.child.kill("SIGTERM");
    host.child.kill("SIGTERM");
    expect(await host.ended).toEqual({ code: 0, signal: null });
    slow.destroy();
    expect(host.stderr()).toBe("");
    expect(existsSync(file)).toBe(true);

    const again = await startLocalHost({ AGENT_MOCK_DATABASE: file });
    const reply = await fetch(`${again.url}/agents/a`);
    expect(reply.status).toBe(200);
    again.child.kill("SIGINT");
    expect(await again.ended).toEqual({ code: 0, signal: null });
    rmSync(host.folder, { recursive: true, force: true });
  });

  it("runs with the options that the tests and benches run with", () => {
    const { start } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")).scripts;
    const command = `node ${START_OPTIONS.join(" ")} dist/local/main.js`;
    expect(start).toBe(`exec ${command} || ${command}`);
  });

  it("ends long polls with an empty answer when it stops", async () => {
    const host = await startLocalHost();
    await post(`${host.url}/agents`, { agentId: "a", role: "worker" });
    const polls = [1, 2, 3].map(() => longPoll(`${host.url}/agents/a/messages/receive`));
    await Promise.all(polls.map((poll) => poll.sent));
    // Whoever connects after the polls were written is answered after the host has read them.
    await longPoll(`${host.url}/agents/a/messages/receive`, 0.001).reply;
    host.child.kill("SIGTERM");
    for (const poll of polls) expect(await poll.reply).toEqual([200, { messages: [] }]);
    expect((await host.ended).code).toBe(0);
    await host.stop();
  });

  it("lets go at once of a connection held in reserve, while a request under way has its grace", async () => {
    const host = await startLocalHost();
    const { port, hostname } = new URL(host.url);
    const ended: string[] = [];
    const open = (name: string, text: string) => {
      const socket = connect(Number(port), hostname, () => socket.write(text));
      socket.on("error", () => undefined);
      socket.on("close", () => ended.push(name));
      socket.resume();
      return new Promise((resolve) => socket.once("ready", resolve));
    };
    const head =
      "POST /api/agents HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{";
    await open("under way", head);
    await open("in reserve", "");
    // Whoever is answered now connected after both, so the host knows them.
    await longPoll(`${host.url}/agents/nobody/messages/receive`, 0.001).reply;
    host.child.kill("SIGTERM");
    expect(await host.ended).toEqual({ code: 0, signal: null });
    expect(ended[0]).toBe("in reserve");
    await host.stop();
  });

  it("goes on when its output is no longer read", async () => {
    const port = await freePort();
    const child = childOfTest(
      spawn(process.execPath, ["src/local/main.ts"], {
        // An unknown setting is a line on the error output.
        env: {
          ...process.env,
          AGENT_HTTP_PORT: String(port),
          AGENT_MOCK_DATABASE: join(folder, "unread.db"),
          AGENT_NAMED_BY_CI: "1",
        },
        stdio: ["ignore", "pipe", "pipe"],
      }),
    );
    child.stdout.destroy();
    child.stderr.destroy();
    const health = async () => (await fetch(`http://127.0.0.1:${port}/api/health`).catch(() => undefined))?.status;
    while (child.exitCode === null && (await health()) !== 200) await new Promise((resolve) => setTimeout(resolve, 50));
    expect([child.exitCode, await health()]).toEqual([null, 200]);
    child.kill("SIGTERM");
    expect(await new Promise((resolve) => child.once("exit", resolve))).toBe(0);
  });

  it("says in one line that the port is in use", async () => {
    const host = await startLocalHost();
    const { port } = new URL(host.url);
    expect(await failedStart({ AGENT_HTTP_PORT: port })).toMatch(
      new RegExp(`cannot listen on 127.0.0.1:${port}.*EADDRINUSE`),
    );
    await host.stop();
  });

  it("says in one line that the database cannot be opened", async () => {
    const directory = join(folder, "a-directory");
    mkdirSync(directory);
    expect(await failedStart({ AGENT_MOCK_DATABASE: directory })).toContain(`cannot open the database ${directory}`);
    const text = join(folder, "text.db");
    writeFileSync(text, "this is no database, and long enough to be read as the header of one ".repeat(20));
    expect(await failedStart({ AGENT_MOCK_DATABASE: text })).toContain(`cannot open the database ${text}`);
    expect(await failedStart({ AGENT_MOCK_DATABASE: join(text, "below-a-file.db") })).toContain(
      "cannot open the database",
    );
  });

  it("names every bad setting in one line", async () => {
    const line = await failedStart({
      AGENT_HTTP_PORT: "70000",
      AGENT_MAX_RETRIES: "many",
      AGENT_COMMUNICATION_MODE: "cloud",
    });
    for (const name of ["AGENT_HTTP_PORT", "AGENT_MAX_RETRIES", "AGENT_COMMUNICATION_MODE"])
      expect(line).toContain(name);
    expect(await failedStart({ AGENT_SWEEP_SCHEDULE: "every now and then or so" })).toContain("AGENT_SWEEP_SCHEDULE");
    expect(await failedStart({ AGENT_HTTP_HOST: "0.0.0.0", AGENT_AUTH_MODE: "none" })).toContain("AGENT_AUTH_MODE");
  });

  it("runs the sweep by its schedule", async () => {
    const settings = { AGENT_SWEEP_SCHEDULE: "* * * * * *", AGENT_HEARTBEAT_INTERVAL: "0.2" };
    const host = await startLocalHost(settings);
    await post(`${host.url}/agents`, { agentId: "a", role: "worker" });
    let status = "active";
    for (let look = 0; look < 100 && status === "active"; look += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      status = ((await (await fetch(`${host.url}/agents/a`)).json()) as { status: string }).status;
    }
    expect(status).toBe("inactive");
    await host.stop();
  });
});

/** A receive on a connection of its own: when its bytes were written, and what came back. */
function longPoll(
  url: string,
  waitSeconds = 20,
): { sent: Promise<void>; reply: Promise<[number | undefined, unknown]> } {
  const headers = { "content-type": "application/json" };
  const outgoing = request(url, { method: "POST", agent: false, headers });
  const sent = new Promise<void>((resolve) => outgoing.once("finish", () => resolve()));
  const reply = new Promise<[number | undefined, unknown]>((resolve, reject) => {
    outgoing.once("error", reject);
    outgoing.once("response", (incoming) => {
      let text = "";
      incoming.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      incoming.on("end", () => resolve([incoming.statusCode, JSON.parse(text)]));
    });
  });
  outgoing.end(JSON.stringify({ waitSeconds }));
  return { sent, reply };
}
