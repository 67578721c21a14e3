import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { readConfig } from "../../../src/lib/config/config.ts";
import { systemClock } from "../../../src/lib/model/clock.ts";
import { openStore } from "../../../src/lib/store/open-store.ts";
import type { Store } from "../../../src/lib/store/store.ts";
import { eventually, Scene } from "../../contract/support.ts";
import { childOfTest } from "../../support/child-of-test.ts";
import type { MemberEvent } from "./queue-member.ts";

/** Processes that compete for one work queue: nothing is leased twice, nothing is lost, not even with a holder that is killed. */

const MEMBER = fileURLToPath(new URL("./queue-member.ts", import.meta.url));
const MESSAGES = 240;
/** As a member claims. */
const CLAIM_MESSAGES = 3;

/** What a busy machine and a slow server need. */
export interface Pace {
  /** Far longer than a round of a member that lives, so that a lease that ends is that of the one that was killed. */
  leaseMilliseconds: number;
  /** For members to begin, or to do all of the work. */
  patienceMilliseconds: number;
}

class Member {
  readonly events: MemberEvent[] = [];
  readonly process: ChildProcess;
  #rest = "";
  errors = "";

  constructor(environment: Record<string, string>, words: readonly string[]) {
    this.process = childOfTest(
      spawn(process.execPath, ["--no-warnings", MEMBER, ...words], {
        env: { ...process.env, ...environment },
        stdio: ["pipe", "pipe", "pipe"],
      }),
    );
    this.process.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      const lines = (this.#rest + chunk).split("\n");
      this.#rest = lines.pop() ?? "";
      for (const line of lines) this.events.push(JSON.parse(line) as MemberEvent);
    });
    this.process.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
      this.errors += chunk;
    });
  }

  /** Once all of them are there: none has begun before the others. */
  static async begin(members: readonly Member[], { patienceMilliseconds }: Pace): Promise<void> {
    const there = (member: Member) => member.of("ready").length > 0 || member.process.exitCode !== null;
    await eventually(() => members.every(there), patienceMilliseconds);
    for (const member of members) member.process.stdin?.write("go\n");
  }

  async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const closed = once(this.process, "close");
    this.process.kill(signal);
    await closed;
  }

  of<Name extends MemberEvent["event"]>(name: Name): Extract<MemberEvent, { event: Name }>[] {
    return this.events.filter((one): one is Extract<MemberEvent, { event: Name }> => one.event === name);
  }
}

/** @param environment the settings by which every process, this one too, opens the same database */
export function competingMembers(environment: () => Promise<Record<string, string>>, pace: Pace): void {
  const { leaseMilliseconds, patienceMilliseconds } = pace;
  let store: Store;
  let killed: Member;
  let members: Member[] = [];
  let sent: string[] = [];

  beforeAll(async () => {
    const settings = await environment();
    store = await openStore(readConfig(settings));
    const clock = { now: systemClock.now, advance: () => undefined };
    const scene = new Scene({ store, clock, close: () => store.close() });
    const ids = [await scene.agent(), await scene.agent(), await scene.agent()];
    const sender = await scene.agent();
    const channel = await scene.channel("work_queue", { members: ids });
    sent = Array.from({ length: MESSAGES }, () => scene.fresh("m"));
    for (let from = 0; from < MESSAGES; from += 100) {
      const batch = sent
        .slice(from, from + 100)
        .map((messageId) => scene.message(sender, `#${channel}`, { messageId }));
      await store.sendMessages(batch);
    }
    const start = (agentId: string, ...more: string[]) =>
      new Member(settings, [channel, agentId, String(leaseMilliseconds), ...more]);
    const [first = "", ...others] = ids;
    killed = start(first, "keep");
    await Member.begin([killed], pace);
    await eventually(() => killed.of("leased").length >= 6 || killed.process.exitCode !== null, patienceMilliseconds);
    await killed.end("SIGKILL");
    members = others.map((agentId) => start(agentId));
    await Member.begin(members, pace);
    const completed = () => members.reduce((sum, member) => sum + member.of("completed").length, 0);
    const failed = () => members.some((member) => member.process.exitCode !== null);
    await eventually(() => completed() >= MESSAGES || failed(), patienceMilliseconds);
    for (const member of members) await member.end("SIGTERM");
  }, 4 * patienceMilliseconds);

  afterAll(async () => {
    for (const member of [killed, ...members]) await member?.end("SIGKILL");
    await store?.close();
  });

  describe("processes that compete for one work queue", () => {
    it("both get a share, and end in order", () => {
      expect([killed, ...members].map(({ errors }) => errors)).toEqual(["", "", ""]);
      for (const member of members) {
        expect(member.of("completed").length).toBeGreaterThan(0);
        expect(member.of("stopped")).toHaveLength(1);
        expect(member.of("leased").every(({ holder, agentId }) => holder === agentId)).toBe(true);
      }
    });

    it("complete every message once, and none is left", async () => {
      const completed = members.flatMap((member) => member.of("completed"));
      expect(completed.filter(({ status }) => status !== "completed")).toEqual([]);
      expect(completed.map(({ messageId }) => messageId).sort()).toEqual(sent.toSorted());
      expect((await store.queueStatistics()).byStatus).toMatchObject({ queued: 0, leased: 0, completed: MESSAGES });
    });

    it("never hold one message at the same time", () => {
      const leases = Map.groupBy(
        [killed, ...members].flatMap((member) => member.of("leased")),
        ({ messageId }) => messageId,
      );
      for (const ofMessage of leases.values()) {
        const [first, second, ...more] = ofMessage.toSorted((a, b) => a.attempt - b.attempt);
        expect(more).toEqual([]);
        if (first === undefined || second === undefined) continue;
        expect([first.attempt, second.attempt]).toEqual([1, 2]);
        // Leased again only after the end of the first lease.
        expect(second.until - leaseMilliseconds).toBeGreaterThanOrEqual(first.until);
      }
    });

    it("get what the one that was killed had held, when its leases end", () => {
      const held = killed.of("leased").map(({ messageId }) => messageId);
      expect(held.length).toBeGreaterThanOrEqual(6);
      const again = members.flatMap((member) => member.of("leased")).filter(({ attempt }) => attempt === 2);
      const ids = again.map(({ messageId }) => messageId);
      expect(ids).toEqual(expect.arrayContaining(held));
      // It may have been killed with an answer on the way: leases of one more claim.
      expect(ids.length - held.length).toBeLessThanOrEqual(CLAIM_MESSAGES);
    });
  });
}
