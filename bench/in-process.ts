import { join } from "node:path";
import type { Services } from "../src/lib/services.ts";
import { median, medianRatio, printTable, rate, ratio, whole } from "./figures.ts";
import { RawQueue } from "./raw-sqlite.ts";
import { openServices, PAYLOAD, temporaryFolder } from "./services.ts";

/** Whole cycles of one 200-byte message through the in-process API, compared with a raw SQLite loop in the same rounds. */

const CALLERS = 32;
const BATCH = 50;

async function cycles({ messages }: Services, count: number): Promise<void> {
  for (let done = 0; done < count; done += 1) {
    await messages.send({ sender: "sender", receiver: "worker", type: "query", payload: PAYLOAD });
    const received = await messages.receive("worker");
    const message = received.messages[0];
    if (message === undefined) throw new Error("nothing was received");
    await messages.complete(message.messageId, { agentId: "worker", attempt: message.attempt });
  }
}

async function batchCycles({ messages }: Services, count: number): Promise<void> {
  const one = { sender: "sender", receiver: "worker", type: "query", payload: PAYLOAD };
  for (let done = 0; done < count; done += BATCH) {
    await messages.sendBatch({ messages: Array.from({ length: BATCH }, () => one) });
    const received = await messages.receive("worker", { maxMessages: BATCH });
    if (received.messages.length !== BATCH) throw new Error("not all were received");
    const settlements = received.messages.map(({ messageId, attempt }) => ({
      messageId,
      attempt,
      outcome: "complete" as const,
    }));
    await messages.settle({ agentId: "worker", settlements });
  }
}

export async function benchInProcess(rounds: number): Promise<void> {
  const folder = temporaryFolder();
  const raw = new RawQueue(join(folder, "raw.db"), JSON.stringify(PAYLOAD));
  const services = await openServices(join(folder, "ours.db"));
  await services.registry.register({ agentId: "sender", role: "supervisor" });
  await services.registry.register({ agentId: "worker", role: "worker" });
  const figures = { raw1: [], ours1: [], raw32: [], ours32: [], batch: [] } as Record<string, number[]>;
  const note = (name: string, value: number) => figures[name]?.push(value);
  for (let round = -1; round < rounds; round += 1) {
    const raw1 = await rate(1_500, () => raw.run(1_500, 1));
    const ours1 = await rate(1_500, () => cycles(services, 1_500));
    const raw32 = await rate(24_000, () => raw.run(24_000, CALLERS));
    const each = 500;
    const ours32 = await rate(CALLERS * each, async () => {
      await Promise.all(Array.from({ length: CALLERS }, () => cycles(services, each)));
    });
    const batch = await rate(24_000, () => batchCycles(services, 24_000));
    // The first round warms up the compiler and the page cache.
    if (round >= 0)
      for (const [name, value] of Object.entries({ raw1, ours1, raw32, ours32, batch })) note(name, value);
  }
  raw.close();
  await services.store.close();
  const row = (label: string, name: string, base: string, target: string) => {
    const values = figures[name] ?? [];
    const against = figures[base] ?? [];
    return [label, whole(median(values)), whole(median(against)), ratio(medianRatio(values, against)), target];
  };
  printTable(
    `In process: cycles/s (send, receive, complete; ${rounds} interleaved rounds, medians)`,
    ["", "agent-communication", "raw node:sqlite", "ratio", "target"],
    [
      row("1 caller (raw: 1 per commit)", "ours1", "raw1", "≥ 0.7"),
      row("32 callers, one-item calls (raw: 32 per commit)", "ours32", "raw32", "≥ 0.5"),
      row("batch verbs, 50 per call (raw: 32 per commit)", "batch", "raw32", "≥ 0.6"),
    ],
  );
}
