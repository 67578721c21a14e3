import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Client } from "undici";
import { startRequiredProcess } from "../../test/support/required-process.ts";
import { printTable, whole } from "../figures.ts";
import type { Attacker } from "./attack.ts";
import { KINDS } from "./kinds.ts";
import { WORK_KINDS } from "./work-kinds.ts";

/**
 * What 64 hostile callers of every kind at once leave to an honest one: how long its heartbeats take, and how much memory the server
 * has. A real server in mode `required`, the attackers in another process, the honest agent in this one.
 */

const ATTACKERS = 64;
const CROWD = 999;
const HEARTBEAT_MILLISECONDS = 20;
const SAMPLE_MILLISECONDS = 250;
const WAITING_PEEKS = 60;

/** Resident bytes of a process; 0 where the system does not say. */
function residentBytes(pid: number | undefined): number {
  try {
    const kilobytes = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return Number(kilobytes ?? 0) * 1_024;
  } catch {
    return 0;
  }
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

interface Heartbeats {
  milliseconds: number[];
  failures: number;
}

/** Beats on one connection of its own, one after the other, until the signal aborts. */
async function beat(origin: string, agentId: string, token: string, signal: AbortSignal): Promise<Heartbeats> {
  const client = new Client(origin, { pipelining: 1, localAddress: "127.0.0.2" });
  const result: Heartbeats = { milliseconds: [], failures: 0 };
  while (!signal.aborted) {
    const began = performance.now();
    try {
      const reply = await client.request({
        method: "POST",
        path: `/api/agents/${agentId}/heartbeat`,
        headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
        body: "{}",
      });
      await reply.body.dump();
      if (reply.statusCode !== 200) result.failures += 1;
    } catch {
      result.failures += 1;
    }
    result.milliseconds.push(performance.now() - began);
    await new Promise((resolve) => setTimeout(resolve, HEARTBEAT_MILLISECONDS));
  }
  await client.close();
  return result;
}

type Server = Awaited<ReturnType<typeof startRequiredProcess>>;

async function makeAttackers(server: Server, kinds: readonly string[]): Promise<(Attacker & { kind: string })[]> {
  const { admin } = server;
  const crowd = Array.from({ length: CROWD }, (_, n) => `crowd-${n}`);
  for (const agentId of crowd)
    await admin.registerAgent({ agentId, role: "worker" }, { retryBudgetMilliseconds: 30_000 });
  await admin.call("POST /channels", { body: { name: "crowd", kind: "broadcast", members: crowd.slice(0, 100) } });
  for (const agentId of crowd.slice(100)) {
    await admin.addChannelMember("crowd", agentId, { retryBudgetMilliseconds: 30_000 });
  }
  await admin.putMessageType("dear.pattern", { type: "string", pattern: "^x-y(\\w+)+$" }).catch(() => undefined);
  await admin.putMessageType("dear.items", { type: "array", uniqueItems: true }).catch(() => undefined);
  const attackers: (Attacker & { kind: string })[] = [];
  for (let n = 0; n < ATTACKERS; n += 1) {
    const kind = kinds[n % kinds.length] ?? "";
    const { agentId, token, client } = await server.agent(
      `attacker-${n}`,
      kind in WORK_KINDS ? "supervisor" : "worker",
    );
    if (kind === "large peeks, unread") {
      for (let sent = 0; sent < WAITING_PEEKS; sent += 1) {
        await client.sendMessage(
          {
            sender: agentId,
            receiver: agentId,
            type: "query",
            payload: "x".repeat(250 * 1024),
          },
          { retryBudgetMilliseconds: 30_000 },
        );
      }
    }
    attackers.push({ agentId, kind, token: kind === "wrong tokens" ? `${token.slice(0, -6)}AAAAAA` : token });
  }
  return attackers;
}

interface Run {
  beats: Heartbeats;
  resident: number;
}

async function run(kinds: readonly string[], seconds: number): Promise<Run> {
  const server = await startRequiredProcess({ AGENT_HEARTBEAT_INTERVAL: "3600" });
  try {
    const honest = await server.agent("honest");
    const attackers = await makeAttackers(server, kinds);
    const { hostname, port } = new URL(server.origin);
    const target = { host: hostname, port: Number(port), url: server.baseUrl };
    const script = fileURLToPath(new URL("./attackers.ts", import.meta.url));
    const arguments_ = [script, JSON.stringify(target), JSON.stringify(attackers), String(seconds)];
    const child = spawn(process.execPath, arguments_, { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    let resident = 0;
    const sampling = setInterval(() => {
      resident = Math.max(resident, residentBytes(server.pid));
    }, SAMPLE_MILLISECONDS);
    const beats = await beat(server.origin, honest.agentId, honest.token, AbortSignal.timeout(seconds * 1_000));
    clearInterval(sampling);
    child.kill("SIGKILL");
    return { beats, resident };
  } finally {
    await server.stop();
  }
}

/** @param seconds of each attack */
export async function benchHostile(seconds: number, only: readonly string[] | undefined): Promise<void> {
  const names = only ?? ["all at once", ...Object.keys(KINDS)];
  const rows: (string | number)[][] = [];
  for (const name of names) {
    const { beats, resident } = await run(name === "all at once" ? Object.keys(KINDS) : [name], seconds);
    const times = [0.5, 0.99, 1].map((share) => percentile(beats.milliseconds, share).toFixed(0));
    rows.push([name, beats.milliseconds.length, ...times, beats.failures, whole(resident / 1_024 / 1_024)]);
    console.log(`${name}: p50 ${times[0]} ms, p99 ${times[1]} ms, ${whole(resident / 1_024 / 1_024)} MiB`);
  }
  printTable(
    `An honest agent's heartbeats among ${ATTACKERS} hostile callers, ${seconds} s each`,
    ["kind", "heartbeats", "p50 ms", "p99 ms", "max ms", "not 200", "resident MiB"],
    rows,
  );
}
