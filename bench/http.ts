import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { AzuriteQueue } from "./azurite.ts";
import { median, medianRatio, printTable, rate, ratio, whole } from "./figures.ts";
import { LeanConnection } from "./lean-client.ts";
import { openServices, PAYLOAD, temporaryFolder } from "./services.ts";

/** Whole cycles over HTTP on the local host, compared with Azurite's queue and with a host that does nothing. */

const CALLERS = 32;
const BATCH = 50;
const AZURITE_PORT = 17_501;

interface Server {
  process: ChildProcess;
  port: number;
}

/** Starts a server that prints a port, alone or in its URL, on its first line. */
async function start(script: string, env: NodeJS.ProcessEnv = {}): Promise<Server> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const child = spawn(process.execPath, [path], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout?.once("data", (text) => resolve(String(text)));
    child.once("exit", () => reject(new Error(`${script} did not start`)));
  });
  const port = /:(\d+)\/api/.exec(line)?.[1] ?? line.trim();
  return { process: child, port: Number(port) };
}

async function stop({ process: child }: Server): Promise<void> {
  child.kill("SIGTERM");
  await once(child, "exit");
}

/** Runs one lane per caller, each on a connection of its own, `count` times in all. */
async function lanes(
  connect: (caller: number) => LeanConnection,
  count: number,
  action: (connection: LeanConnection, caller: number) => Promise<void>,
  callers = CALLERS,
): Promise<number> {
  const connections = Array.from({ length: callers }, (_, caller) => connect(caller));
  let left = count;
  const speed = await rate(count, async () => {
    await Promise.all(
      connections.map(async (connection, caller) => {
        while (left-- > 0) await action(connection, caller);
      }),
    );
  });
  for (const connection of connections) connection.close();
  return speed;
}

const payload = JSON.stringify(PAYLOAD);
/** To itself, which every worker may where credentials are asked, too. */
const message = (caller: number) =>
  `{"sender":"worker-${caller}","receiver":"worker-${caller}","type":"query","payload":${payload}}`;

function expect(status: number, reply: { status: number; body: string }): string {
  if (reply.status !== status) throw new Error(`expected ${status}, got ${reply.status}: ${reply.body.slice(0, 300)}`);
  return reply.body;
}

async function cycle(connection: LeanConnection, caller: number): Promise<void> {
  expect(202, await connection.request("POST", "/api/messages", message(caller)));
  const received = expect(200, await connection.request("POST", `/api/agents/worker-${caller}/messages/receive`, "{}"));
  const { messages } = JSON.parse(received);
  const [{ messageId, attempt }] = messages;
  const settlement = `{"agentId":"worker-${caller}","attempt":${attempt}}`;
  expect(200, await connection.request("POST", `/api/messages/${messageId}/complete`, settlement));
}

async function batchCycle(connection: LeanConnection, caller: number): Promise<void> {
  const batch = `{"messages":[${Array.from({ length: BATCH }, () => message(caller)).join(",")}]}`;
  expect(202, await connection.request("POST", "/api/messages/batch", batch));
  const path = `/api/agents/worker-${caller}/messages/receive`;
  const { messages } = JSON.parse(expect(200, await connection.request("POST", path, `{"maxMessages":${BATCH}}`)));
  if (messages.length !== BATCH) throw new Error("not all were received");
  const settlements = messages.map(({ messageId, attempt }: { messageId: string; attempt: number }) => ({
    messageId,
    attempt,
    outcome: "complete",
  }));
  const body = JSON.stringify({ agentId: `worker-${caller}`, settlements });
  expect(200, await connection.request("POST", "/api/messages/settle", body));
}

/** The three requests of a cycle, to a host that validates them and does nothing. */
async function idleCycle(connection: LeanConnection, caller: number): Promise<void> {
  expect(202, await connection.request("POST", "/api/messages", message(caller)));
  expect(200, await connection.request("POST", `/api/agents/worker-${caller}/messages/receive`, "{}"));
  const settlement = `{"agentId":"worker-${caller}","attempt":1}`;
  expect(
    200,
    await connection.request("POST", "/api/messages/00000000-0000-7000-8000-000000000000/complete", settlement),
  );
}

/** Registers the workers in the database, and gives each a token. @returns the tokens */
async function makeWorkers(file: string): Promise<string[]> {
  const services = await openServices(file);
  const tokens: string[] = [];
  for (let caller = 0; caller < CALLERS; caller += 1) {
    const agentId = `worker-${caller}`;
    await services.registry.register({ agentId, role: "worker" });
    tokens.push((await services.credentials.issue({ kind: "token", agentId })).secret ?? "");
  }
  await services.store.close();
  return tokens;
}

/** Counted, but never reached: what is measured is what it costs to ask who calls. */
const LIMITS = { AGENT_RATE_LIMIT_PER_SOURCE: "1000000", AGENT_RATE_LIMIT_PER_CREDENTIAL: "1000000" };

/** Our host with its workers on a database of its own. */
async function startOurs(file: string, env: NodeJS.ProcessEnv): Promise<Server & { tokens: string[] }> {
  const tokens = await makeWorkers(file);
  const server = await start("../src/local/main.ts", { AGENT_HTTP_PORT: "0", AGENT_MOCK_DATABASE: file, ...env });
  return { ...server, tokens };
}

export async function benchHttp(rounds: number): Promise<void> {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "azurite"));
  const ours = await startOurs(join(folder, "http.db"), {});
  const asking = await startOurs(join(folder, "asking.db"), { AGENT_AUTH_MODE: "required", ...LIMITS });
  const idle = await start("./idle-host.ts");
  const azurite = await AzuriteQueue.start(join(folder, "azurite"), AZURITE_PORT);
  const text = "x".repeat(200);
  const toOurs = () => new LeanConnection("127.0.0.1", ours.port);
  const toIdle = () => new LeanConnection("127.0.0.1", idle.port);
  const toAsking = (caller: number) => new LeanConnection("127.0.0.1", asking.port, asking.tokens[caller]);
  const names = ["one", "many", "asked", "batch", "azurite1", "azurite32", "idle"];
  const figures: Record<string, number[]> = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = -1; round < rounds; round += 1) {
    const measured = {
      one: await lanes(toOurs, 500, cycle, 1),
      azurite1: await lanes(
        () => azurite.connect(),
        300,
        (connection) => azurite.cycle(connection, text),
        1,
      ),
      many: await lanes(toOurs, 8_000, cycle),
      asked: await lanes(toAsking, 8_000, cycle),
      azurite32: await lanes(
        () => azurite.connect(),
        1_500,
        (connection) => azurite.cycle(connection, text),
      ),
      batch: BATCH * (await lanes(toOurs, 600, batchCycle)),
      idle: await lanes(toIdle, 12_000, idleCycle),
    };
    if (round >= 0) for (const [name, value] of Object.entries(measured)) figures[name]?.push(value);
  }
  await Promise.all([stop(ours), stop(asking), stop(idle), azurite.stop()]);
  const row = (label: string, name: string, base: string, target: string, unit = 1) => {
    const values = (figures[name] ?? []).map((value) => value * unit);
    const against = (figures[base] ?? []).map((value) => value * unit);
    return [label, whole(median(values)), whole(median(against)), ratio(medianRatio(values, against)), target];
  };
  printTable(
    `HTTP on the local host (${rounds} interleaved rounds, medians)`,
    ["", "agent-communication", "peer", "ratio", "target"],
    [
      row("cycles/s, 1 caller; peer Azurite queue", "one", "azurite1", "none stated"),
      row("cycles/s, 32 callers; peer Azurite queue", "many", "azurite32", "≥ 3"),
      row("cycles/s, 32 callers, each with its token; peer: the same without credentials", "asked", "many", "≥ 0.85"),
      row("cycles/s, 32 callers, batch verbs at 50; peer Azurite queue", "batch", "azurite32", "≥ 20"),
      row("requests/s, 32 callers; peer: the same server, validating and doing nothing", "many", "idle", "≥ 0.5", 3),
    ],
  );
}

/** What it costs to ask who calls, alone: the same load with and without credentials, in turn; the limits count. */
export async function benchAsking(rounds: number): Promise<void> {
  const folder = temporaryFolder();
  const ours = await startOurs(join(folder, "http.db"), {});
  const asking = await startOurs(join(folder, "asking.db"), { AGENT_AUTH_MODE: "required", ...LIMITS });
  const toOurs = () => new LeanConnection("127.0.0.1", ours.port);
  const toAsking = (caller: number) => new LeanConnection("127.0.0.1", asking.port, asking.tokens[caller]);
  const figures = { many: [] as number[], asked: [] as number[] };
  for (let round = -1; round < rounds; round += 1) {
    // Whichever comes second runs on a warmer machine: they take turns.
    const order = round % 2 === 0 ? (["many", "asked"] as const) : (["asked", "many"] as const);
    for (const name of order) {
      const speed = await lanes(name === "many" ? toOurs : toAsking, 6_000, cycle);
      if (round >= 0) figures[name].push(speed);
    }
  }
  await Promise.all([stop(ours), stop(asking)]);
  const { asked, many } = figures;
  printTable(
    `Asking who calls (${rounds} interleaved rounds, medians)`,
    ["", "agent-communication", "peer", "ratio", "target"],
    [
      [
        "cycles/s, 32 callers, each with its token; peer: the same without credentials",
        whole(median(asked)),
        whole(median(many)),
        ratio(medianRatio(asked, many)),
        "≥ 0.85",
      ],
    ],
  );
}
