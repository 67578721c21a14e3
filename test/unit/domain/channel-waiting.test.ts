import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { readConfig } from "../../../src/lib/config/config.ts";
import { type Clock, OffsetClock } from "../../../src/lib/model/clock.ts";
import { createServices, type Services } from "../../../src/lib/services.ts";
import { openStore } from "../../../src/lib/store/open-store.ts";
import type { Store } from "../../../src/lib/store/store.ts";
import { caught, eventually } from "../../contract/support.ts";
import { temporaryFolder } from "../../hosts/http/local-host.ts";

/** Members that wait for one work queue: a message wakes one of them, and none is left lying. */

/** A clock on which a sleep ends only when it is woken: what returns from a long poll was woken, not polled. */
class SleeplessClock extends OffsetClock {
  override readonly sleep: Clock["sleep"] = (_milliseconds, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) resolve();
      else signal?.addEventListener("abort", () => resolve(), { once: true });
    });
}

const MEMBERS = ["a", "b", "c", "d"];

let folder: string;
let store: Store;
let services: Services;
let claims: string[];

beforeEach(async () => {
  folder = temporaryFolder();
  const clock = new SleeplessClock();
  const config = readConfig({ AGENT_MOCK_DATABASE: join(folder, "agents.db") });
  store = await openStore(config, clock);
  claims = [];
  // The store itself, with a look at who claims.
  const watched: Store = {
    ...store,
    claimMessages(claim) {
      claims.push(claim.agentId);
      return store.claimMessages(claim);
    },
  };
  services = createServices({ config, clock, store: watched });
  for (const agentId of MEMBERS) await services.registry.register({ agentId, role: "worker" });
  await services.channels.create({ name: "jobs", kind: "work_queue", members: MEMBERS });
});

afterEach(async () => {
  services.messages.close();
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

const job = { sender: "a", receiver: "#jobs", type: "query" };
const poll = (agentId: string, more = {}, signal?: AbortSignal) =>
  services.messages.receiveFromChannel("jobs", { agentId, waitSeconds: 20, ...more }, signal);

/** Until all of them have claimed in vain, so that they wait. */
async function waiting(members: readonly string[]): Promise<void> {
  await eventually(() => members.every((member) => claims.includes(member)));
  await new Promise((resolve) => setImmediate(resolve));
  claims.length = 0;
}

describe("members that wait for a work queue", () => {
  it("are woken one by one, in the order in which they came", async () => {
    const polls = MEMBERS.map((member) => poll(member));
    await waiting(MEMBERS);
    for (const [index, member] of MEMBERS.entries()) {
      const { messageId } = await services.messages.send(job);
      expect((await polls[index])?.messages).toEqual([expect.objectContaining({ messageId, holder: member })]);
      // The one who is done has woken the next, who found nothing: no more.
      await eventually(() => claims.length >= Math.min(2, MEMBERS.length - index));
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(claims.splice(0)).toEqual(MEMBERS.slice(index, index + 2));
    }
  });

  it("all get their share of what comes in one commit", async () => {
    const polls = MEMBERS.map((member) => poll(member));
    await waiting(MEMBERS);
    await services.messages.sendBatch({ messages: MEMBERS.map(() => job) });
    const got = (await Promise.all(polls)).flatMap(({ messages }) => messages);
    expect(new Set(got.map(({ messageId }) => messageId)).size).toBe(MEMBERS.length);
    expect(got.map(({ holder }) => holder)).toEqual(MEMBERS);
  });

  it("pass a message on when the one that was woken has gone", async () => {
    const leaving = new AbortController();
    const polls = [poll("a", {}, leaving.signal), poll("b")];
    await waiting(["a", "b"]);
    const sending = services.messages.send(job);
    leaving.abort();
    await sending;
    expect((await polls[1])?.messages).toHaveLength(1);
    expect((await polls[0])?.messages).toEqual([]);
  });

  it("end when the channel is deleted", async () => {
    const polls = ["a", "b"].map((member) => caught(poll(member)));
    await waiting(["a", "b"]);
    await store.deleteChannel("jobs");
    // Whoever asks next finds out, and wakes the others one by one.
    expect(await caught(poll("c"))).toBe("CHANNEL_NOT_FOUND");
    expect(await Promise.all(polls)).toEqual(["CHANNEL_NOT_FOUND", "CHANNEL_NOT_FOUND"]);
  });
});
