import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { systemClock } from "../../../src/lib/model/clock.ts";
import { openSqliteStore } from "../../../src/lib/store/sqlite/open.ts";
import type { Store } from "../../../src/lib/store/store.ts";
import { CALM_SETTINGS } from "../../contract/store-under-test.ts";
import { childOfTest } from "../../support/child-of-test.ts";
import { recount, rowsOf } from "../../support/recount.ts";
import { AGENTS, type Event, LEASE_MILLISECONDS } from "./hammer-events.ts";

const HAMMER = fileURLToPath(new URL("./hammer.ts", import.meta.url));
const RUN_MILLISECONDS = 4_000;
const KILL_AFTER_MILLISECONDS = 1_500;
const DRAIN_MILLISECONDS = 20_000;

/** A hammering process and what it has said so far. */
class Hammer {
  readonly events: Event[] = [];
  readonly process: ChildProcess;
  errors = "";
  #rest = "";

  constructor(file: string, name: string, milliseconds: number) {
    this.process = childOfTest(
      spawn(process.execPath, ["--no-warnings", HAMMER, file, name, String(milliseconds)], {
        stdio: ["ignore", "pipe", "pipe"],
      }),
    );
    this.process.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      const lines = (this.#rest + chunk).split("\n");
      this.#rest = lines.pop() ?? "";
      for (const line of lines) this.events.push(JSON.parse(line) as Event);
    });
    this.process.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
      this.errors += chunk;
    });
  }

  async ready(): Promise<void> {
    const end = performance.now() + 20_000;
    while (!this.events.some(({ event }) => event === "ready")) {
      if (performance.now() > end || this.process.exitCode !== null) throw new Error(`not ready: ${this.errors}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Waits for the end of the process and of what it said; kills it when it takes far too long. */
  async ended(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const timer = setTimeout(() => this.process.kill("SIGKILL"), RUN_MILLISECONDS + 20_000);
    await once(this.process, "close");
    clearTimeout(timer);
  }
}

type Of<Name extends Event["event"]> = Extract<Event, { event: Name }>;

describe("two processes on one file", () => {
  let directory = "";
  let file = "";
  let events: Event[] = [];
  let exits: (number | string | null)[] = [];
  let store: Store | undefined;

  const all = <Name extends Event["event"]>(name: Name) =>
    events.filter((event): event is Of<Name> => event.event === name);

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "agent-communication-"));
    file = join(directory, "agents.db");
    // Both find an empty file: the first start of two processes at once is a part of the test.
    const steady = new Hammer(file, "steady", RUN_MILLISECONDS);
    const killed = new Hammer(file, "killed", RUN_MILLISECONDS);
    await Promise.all([steady.ready(), killed.ready()]);
    await new Promise((resolve) => setTimeout(resolve, KILL_AFTER_MILLISECONDS));
    killed.process.kill("SIGKILL");
    await killed.ended();
    const successor = new Hammer(file, "successor", RUN_MILLISECONDS - KILL_AFTER_MILLISECONDS);
    await Promise.all([steady.ended(), successor.ended()]);
    const hammers = [steady, killed, successor];
    events = hammers.flatMap((hammer) => hammer.events);
    exits = hammers.map(({ process: ended }) => ended.signalCode ?? ended.exitCode);
  });

  afterAll(async () => {
    await store?.close();
    await rm(directory, { recursive: true, force: true });
  });

  it("both make progress, one is killed, and nothing but refusals comes out of the store", () => {
    expect(exits).toEqual([0, "SIGKILL", 0]);
    expect(all("defect")).toEqual([]);
    for (const name of ["steady", "killed", "successor"]) {
      const sent = all("sent").filter(({ messageId }) => messageId.startsWith(`${name}:`)).length;
      expect({ name, some: sent > 20 }).toEqual({ name, some: true });
    }
    expect(all("leased").length).toBeGreaterThan(100);
    expect(all("finished").length).toBeGreaterThan(10);
  });

  it("every counter equals its rows", () => {
    expect(recount(file)).toEqual([]);
  });

  it("no message is lost", () => {
    const kept = new Set(rowsOf(file, "SELECT message_id FROM message_bodies").map((row) => row.message_id));
    expect(all("sent").filter(({ messageId }) => !kept.has(messageId))).toEqual([]);
    const tasks = new Set(rowsOf(file, "SELECT task_id FROM tasks").map((row) => row.task_id));
    expect(all("assigned").filter(({ taskId }) => !tasks.has(taskId))).toEqual([]);
  });

  it("none is delivered twice within a lease, and attempts only rise", () => {
    // Asked for, answered or not: the answer may have died with its process.
    const returned = new Set(
      all("settling").flatMap(({ messageId, attempt, outcome }) =>
        outcome === "retry" ? [`${messageId}#${attempt}`] : [],
      ),
    );
    const leases = Map.groupBy(all("leased"), ({ messageId }) => messageId);
    const wrong: string[] = [];
    for (const [messageId, ofMessage] of leases) {
      const inOrder = ofMessage.toSorted((a, b) => a.attempt - b.attempt || a.until - b.until);
      for (const [index, lease] of inOrder.entries()) {
        const before = inOrder[index - 1];
        if (before === undefined) continue;
        if (before.attempt === lease.attempt) wrong.push(`${messageId} was leased twice as attempt ${lease.attempt}`);
        const claimedAt = lease.until - LEASE_MILLISECONDS;
        if (claimedAt < before.until && !returned.has(`${messageId}#${before.attempt}`)) {
          wrong.push(
            `${messageId} was leased as ${lease.attempt} ${before.until - claimedAt} ms before ${before.attempt} ended`,
          );
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it("what was completed stays completed and is never delivered again", () => {
    const statuses = new Map(
      rowsOf(file, "SELECT message_id, status, attempt FROM messages JOIN message_bodies USING (arrival)").map(
        (row) => [row.message_id, row],
      ),
    );
    const wrong = all("settled").filter(({ messageId, attempt, outcome, status }) => {
      const row = statuses.get(messageId);
      return (
        outcome === "complete" &&
        status === "completed" &&
        (row?.status !== "completed" || Number(row.attempt) !== attempt)
      );
    });
    // A message of an ended task answers "completed" to any attempt.
    expect(wrong.filter(({ messageId }) => /^(?:steady|killed|successor):/.test(messageId))).toEqual([]);
  });

  it("a task is finished once, by the attempt that was answered", () => {
    const rows = new Map(rowsOf(file, "SELECT task_id, status, attempt FROM tasks").map((row) => [row.task_id, row]));
    for (const { taskId, attempt } of all("finished")) {
      expect({ taskId, ...rows.get(taskId) }).toMatchObject({ taskId, status: "completed", attempt });
    }
    // The row, and not a copy of it in one process's memory, decides: two repeats of one completion are the same answer.
    const answers = all("finished").map(({ taskId, attempt }) => `${taskId}#${attempt}`);
    expect(new Set(answers.map((answer) => answer.split("#")[0])).size).toBe(new Set(answers).size);
  });

  it("the rest can still be received and completed to the last message", async () => {
    const opened = openSqliteStore({ file, settings: CALM_SETTINGS, clock: systemClock });
    store = opened;
    const open = () => rowsOf(file, "SELECT count(*) AS n FROM messages WHERE status IN ('queued', 'leased')")[0]?.n;
    const end = performance.now() + DRAIN_MILLISECONDS;
    while (open() !== 0) {
      if (performance.now() > end) throw new Error(`${String(open())} messages are still open`);
      for (const agentId of AGENTS) await drain(opened, agentId);
    }
    expect(recount(file)).toEqual([]);
    // The switchboard's own messages have five attempts and may end as dead letters here; ours have a hundred.
    const sql =
      "SELECT message_id, status FROM messages JOIN message_bodies USING (arrival) WHERE status <> 'completed' AND message_id LIKE '%:%'";
    expect(rowsOf(file, sql)).toEqual([]);
  });
});

async function drain(store: Store, agentId: string): Promise<void> {
  const claim = { agentId, maxMessages: 50, leaseMilliseconds: 60_000, maxBytes: 1_048_576 };
  const { messages } = await store.claimMessages(claim);
  if (messages.length === 0) return;
  const settlements = messages.map(({ messageId, attempt }) => ({ messageId, attempt, outcome: "complete" as const }));
  await store.settleMessages(agentId, settlements);
}
