import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { readConfig } from "../../../src/lib/config/config.ts";
import { createServices, type Services } from "../../../src/lib/services.ts";
import { openStore } from "../../../src/lib/store/open-store.ts";
import { temporaryFolder } from "../../hosts/http/local-host.ts";
import { SleeplessClock } from "./sleepless-clock.ts";

let folder: string;
let clock: SleeplessClock;
let services: Services;

beforeEach(async () => {
  folder = temporaryFolder();
  clock = new SleeplessClock();
  const config = readConfig({ AGENT_MOCK_DATABASE: join(folder, "agents.db") });
  services = createServices({ config, clock, store: await openStore(config, clock) });
  await services.registry.register({ agentId: "a", role: "worker" });
});

afterEach(async () => {
  services.messages.close();
  await services.store.close();
  rmSync(folder, { recursive: true, force: true });
});

const message = { sender: "a", receiver: "a", type: "query" };

describe("a long poll", () => {
  it("wakes at once when a message arrives in this process", async () => {
    const poll = services.messages.receive("a", { waitSeconds: 20 });
    await clock.untilSleeping();
    const { messageId } = await services.messages.send(message);
    expect((await poll).messages.map((received) => received.messageId)).toEqual([messageId]);
  });

  it("does not wake for another agent's message", async () => {
    await services.registry.register({ agentId: "b", role: "worker" });
    const poll = services.messages.receive("a", { waitSeconds: 20 });
    await clock.untilSleeping();
    await services.messages.send({ ...message, receiver: "b" });
    expect([clock.sleeping, clock.naps.length]).toEqual([1, 1]);
    await services.messages.send(message);
    expect((await poll).messages).toHaveLength(1);
  });

  it("looks at a growing interval from 50 ms to 1 s for what other processes send", async () => {
    const poll = services.messages.receive("a", { waitSeconds: 20 });
    for (let look = 0; look < 12; look += 1) {
      await clock.untilSleeping();
      clock.timeUp();
      for (let turn = 0; turn < 1_000 && clock.naps.length === look + 1; turn += 1) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    clock.advance(20_000);
    await clock.untilSleeping();
    clock.timeUp();
    expect(await poll).toEqual({ messages: [] });
    expect(clock.naps[0]).toBe(50);
    expect(clock.naps[10]).toBe(1_000);
    expect([...clock.naps.slice(0, 11)].sort((a, b) => a - b)).toEqual(clock.naps.slice(0, 11));
  });

  it("asks for all that wait at once, and claims only first, when told of something, and last", async () => {
    await services.registry.register({ agentId: "b", role: "worker" });
    const probes: string[][] = [];
    let claims = 0;
    const { store } = services;
    const { findDeliverable, claimMessages } = store;
    store.findDeliverable = (agentIds) => {
      probes.push([...agentIds].sort());
      return findDeliverable(agentIds);
    };
    store.claimMessages = (claim) => {
      claims += 1;
      return claimMessages(claim);
    };
    const polls = ["a", "b", "b"].map((agentId) => services.messages.receive(agentId, { waitSeconds: 20 }));
    for (let look = 0; look < 4; look += 1) {
      await clock.untilSleeping();
      clock.timeUp();
      for (let turn = 0; turn < 1_000 && probes.length === look; turn += 1) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    expect(probes).toEqual(Array.from({ length: 4 }, () => ["a", "b"]));
    expect(claims).toBe(3);
    clock.advance(20_000);
    await clock.untilSleeping();
    clock.timeUp();
    expect(await Promise.all(polls)).toEqual([{ messages: [] }, { messages: [] }, { messages: [] }]);
    expect(claims).toBe(6);
  });

  it("claims when the store cannot be asked, and so learns why", async () => {
    const poll = services.messages.receive("a", { waitSeconds: 20 });
    await clock.untilSleeping();
    await services.store.close();
    clock.timeUp();
    await expect(poll).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  });

  it("is not disturbed by the end of another one for the same mailbox", async () => {
    let claims = 0;
    const { store } = services;
    const { claimMessages } = store;
    store.claimMessages = (claim) => {
      claims += 1;
      return claimMessages(claim);
    };
    const caller = new AbortController();
    const gone = services.messages.receive("a", { waitSeconds: 20 }, caller.signal);
    await clock.untilSleeping();
    const poll = services.messages.receive("a", { waitSeconds: 20 });
    for (let turn = 0; turn < 10_000 && claims < 2; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    caller.abort();
    expect(await gone).toEqual({ messages: [] });
    for (let turn = 0; turn < 100; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(claims).toBe(2);
    await services.messages.send(message);
    expect((await poll).messages).toHaveLength(1);
    expect(claims).toBe(3);
  });

  it("ends without claiming when its caller has gone", async () => {
    const caller = new AbortController();
    const poll = services.messages.receive("a", { waitSeconds: 20 }, caller.signal);
    await clock.untilSleeping();
    caller.abort();
    await services.messages.send(message);
    expect(await poll).toEqual({ messages: [] });
    const { messages } = await services.messages.receive("a", {}, caller.signal);
    expect(messages.map((received) => received.attempt)).toEqual([1]);
  });

  it("goes on when the look that ended its sleep is due already: a busy machine comes late", async () => {
    const script = fileURLToPath(new URL("./late-look.ts", import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [script], {
      timeout: 30_000,
      killSignal: "SIGKILL",
    });
    expect(stdout).toBe("looked\n");
  });
});

describe("a peek that waits", () => {
  it("answers as soon as something can be received, leases nothing, and is no sign of life", async () => {
    const { lastHeartbeatAt } = await services.registry.get("a");
    clock.advance(5_000);
    const peek = services.messages.peek("a", { waitSeconds: 20 });
    await clock.untilSleeping();
    await services.registry.register({ agentId: "b", role: "worker" });
    const { messageId } = await services.messages.send({ ...message, sender: "b" });
    expect((await peek).messages).toMatchObject([{ messageId, status: "queued", attempt: 0 }]);
    expect((await services.registry.get("a")).lastHeartbeatAt).toBe(lastHeartbeatAt);
    expect((await services.messages.receive("a")).messages).toMatchObject([{ messageId, attempt: 1 }]);
  });

  it("answers at once when something waits, and waits on where nothing is due yet", async () => {
    await services.messages.send({ ...message, delaySeconds: 60 });
    const peek = services.messages.peek("a", { waitSeconds: 20 });
    await clock.untilSleeping();
    clock.advance(20_000);
    clock.timeUp();
    // What waits is listed, due or not, as without waiting.
    expect((await peek).messages).toHaveLength(1);
    await services.messages.send(message);
    expect((await services.messages.peek("a", { waitSeconds: 20 })).messages).toHaveLength(2);
  });

  it("ends when its caller has gone", async () => {
    const gone = new AbortController();
    const peek = services.messages.peek("a", { waitSeconds: 20 }, gone.signal);
    await clock.untilSleeping();
    gone.abort();
    expect(await peek).toEqual({ messages: [], nextCursor: null });
  });

  it("of an agent that is not there is refused at once", async () => {
    await expect(services.messages.peek("nobody", { waitSeconds: 20 })).rejects.toMatchObject({
      code: "AGENT_NOT_FOUND",
    });
  });
});
