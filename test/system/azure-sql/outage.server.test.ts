import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { SystemMonitor } from "../../../src/lib/domain/statistics/system-monitor.ts";
import { OffsetClock, systemClock } from "../../../src/lib/model/clock.ts";
import { openMssqlStore } from "../../../src/lib/store/mssql/open.ts";
import type { Store } from "../../../src/lib/store/store.ts";
import {
  dropDatabases,
  giveBack,
  serverEnvironment,
  takeDatabase,
  testPool,
  testSettings,
} from "../../contract/mssql-under-test.ts";
import { CALM_SETTINGS } from "../../contract/store-under-test.ts";
import { Scene } from "../../contract/support.ts";
import { startLocalHost } from "../../support/local-host.ts";
import { recountMssql } from "../../support/recount-mssql.ts";
import { startTdsProxy, type TdsProxy } from "../../support/tds-proxy.ts";

/** The server goes away, falls silent, fails over, and comes back, while the store stays open. */

/** The longest wait between two tries; longer ones are time limits. */
const LONGEST_WAIT_MILLISECONDS = 2_000;

/** Waits between tries pass at once: only what the server and the network take is real, and time limits. */
class HurriedClock extends OffsetClock {
  override readonly sleep = async (milliseconds: number, signal?: AbortSignal): Promise<void> => {
    if (milliseconds > LONGEST_WAIT_MILLISECONDS) await systemClock.sleep(milliseconds, signal);
    else this.advance(Math.ceil(milliseconds));
  };
}

/** How long a call is tried, and how much longer the last attempt to connect may take. */
const BUDGET_MILLISECONDS = 10_000;
const CONNECT_SECONDS = 2;
/** Generous: a busy server for tests takes seconds for the first batches of a connection. */
const REQUEST_SECONDS = 20;
/** Of a test: a silent server is only given up when a request has taken too long, and again for health. */
const TEST_MILLISECONDS = 180_000;

const HEALTHY = {
  databaseConnection: true,
  messageQueueOperational: true,
  agentRegistryAccessible: true,
  recentActivity: true,
};
const UNHEALTHY = {
  databaseConnection: false,
  messageQueueOperational: false,
  agentRegistryAccessible: false,
  recentActivity: false,
};

afterAll(dropDatabases);

describe("a server", () => {
  let database = "";
  let proxy: TdsProxy;
  let clock: HurriedClock;
  let store: Store;
  let scene: Scene;

  beforeAll(async () => {
    database = await takeDatabase();
    const { server, port } = testSettings(database);
    proxy = await startTdsProxy(server, port);
  });
  afterAll(async () => {
    await proxy?.close();
    await giveBack(database);
  });

  beforeEach(async () => {
    clock = new HurriedClock();
    const sql = {
      ...testSettings(database),
      server: "127.0.0.1",
      port: proxy.port,
      connectTimeoutSeconds: CONNECT_SECONDS,
      requestTimeoutSeconds: REQUEST_SECONDS,
    };
    store = await openMssqlStore({ sql, settings: CALM_SETTINGS, clock });
    scene = new Scene({ store, clock, close: () => store.close() });
  });
  afterEach(async () => {
    await proxy.comeBack();
    await store.close();
  });

  /** The refusal of a call, and how long it was tried by the store's clock. */
  async function refused(act: () => Promise<unknown>): Promise<{ retryAfterSeconds: number; milliseconds: number }> {
    const began = clock.now();
    const refusal = await act().then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(refusal).toMatchObject({ code: "STORE_UNAVAILABLE", retryAfterSeconds: expect.any(Number) });
    const { retryAfterSeconds } = refusal as { retryAfterSeconds: number };
    return { retryAfterSeconds, milliseconds: clock.now() - began };
  }

  it("that goes away makes calls unavailable within their budget and health bad, until it is back", async () => {
    const agentId = await scene.agent();
    expect(await store.checkHealth()).toEqual(HEALTHY);
    await proxy.leave();
    const calls = [() => store.getAgent(agentId), () => store.heartbeat({ agentId }), () => scene.claim(agentId)];
    for (const { retryAfterSeconds, milliseconds } of await Promise.all(calls.map(refused))) {
      expect(retryAfterSeconds).toBeGreaterThanOrEqual(1);
      expect(milliseconds).toBeLessThan(3 * BUDGET_MILLISECONDS + CONNECT_SECONDS * 1_000);
    }
    expect(await store.checkHealth()).toEqual(UNHEALTHY);
    expect((await new SystemMonitor({ store }).health()).status).toBe("unhealthy");

    await proxy.comeBack();
    expect((await store.getAgent(agentId)).agentId).toBe(agentId);
    expect(await store.checkHealth()).toEqual(HEALTHY);
  });

  it("is tried for ten seconds, not for less and not for much more", async () => {
    const agentId = await scene.agent();
    await proxy.leave();
    const { milliseconds } = await refused(() => store.getAgent(agentId));
    expect(milliseconds).toBeGreaterThan(BUDGET_MILLISECONDS / 2);
    expect(milliseconds).toBeLessThan(BUDGET_MILLISECONDS + CONNECT_SECONDS * 1_000);
  });

  it("that comes back while a call is tried, answers it", async () => {
    const agentId = await scene.agent();
    await proxy.leave();
    const asked = store.getAgent(agentId);
    await proxy.comeBack();
    expect((await asked).agentId).toBe(agentId);
  });

  it("that was away when the store opened, is found when it is there", async () => {
    await proxy.leave();
    await refused(() => scene.agent());
    expect(await store.checkHealth()).toEqual(UNHEALTHY);
    await proxy.comeBack();
    await expect(scene.agent()).resolves.toMatch(/^observer/);
  });

  it(
    "that falls silent makes calls unavailable, and is used again when it speaks",
    async () => {
      const agentId = await scene.agent();
      proxy.silence();
      await refused(() => store.getAgent(agentId));
      expect(await store.checkHealth()).toEqual(UNHEALTHY);
      await proxy.comeBack();
      expect((await store.getAgent(agentId)).agentId).toBe(agentId);
    },
    TEST_MILLISECONDS,
  );

  it("that is away does not keep the store from closing", async () => {
    await scene.agent();
    await proxy.leave();
    await store.close();
    await refused(() => scene.agent());
  });

  it("that fails over again and again under load loses and doubles nothing", async () => {
    const sender = await scene.agent();
    const receivers = await Promise.all(Array.from({ length: 8 }, () => scene.agent()));
    const [callers, each, cuts] = [24, 8, 4];
    let answered = 0;
    /** Cuts all connections, whatever they are doing, so many times over the run. */
    const count = () => {
      answered += 1;
      if (answered % Math.floor((2 * callers * each) / (cuts + 1)) === 0) proxy.cutAll();
    };
    const sent: string[] = [];
    const received: string[] = [];
    const caller = async (number: number) => {
      for (let n = 0; n < each; n++) {
        const receiver = receivers[(number + n) % receivers.length] ?? sender;
        sent.push(await scene.send(sender, receiver, { messageId: scene.id(`m-${number}-${n}`) }));
        count();
        const messages = await scene.receive(receiver, { maxMessages: 2 });
        for (const message of messages) {
          received.push(message.messageId);
          expect(await scene.settle(receiver, message, "complete")).toBe("completed");
        }
        count();
      }
    };
    await Promise.all(Array.from({ length: callers }, (_, number) => caller(number)));
    // What a receive has left for another one.
    for (const receiver of receivers) {
      for (const message of await scene.receive(receiver, { maxMessages: 50 })) {
        received.push(message.messageId);
        expect(await scene.settle(receiver, message, "complete")).toBe("completed");
      }
    }
    expect(received.sort()).toEqual(sent.sort());
    expect(new Set(received).size).toBe(callers * each);
    const pool = await testPool(database);
    expect(await recountMssql(pool)).toEqual([]);
    await pool.close();
  });
});

describe("a process whose server is away", () => {
  it("answers 503 with Retry-After, says so in its health, and works again when the server is back", async () => {
    const database = await takeDatabase();
    const { server, port } = testSettings(database);
    const proxy = await startTdsProxy(server, port);
    const host = await startLocalHost({
      ...serverEnvironment(database),
      AZURE_SQL_SERVER: "127.0.0.1",
      AZURE_SQL_PORT: String(proxy.port),
      AZURE_SQL_CONNECT_TIMEOUT: String(CONNECT_SECONDS),
    });
    try {
      const get = (path: string) => fetch(`${host.baseUrl}${path}`);
      expect((await get("/health")).status).toBe(200);
      await proxy.leave();
      const [health, live, read] = await Promise.all([get("/health"), get("/health/live"), get("/agents/a")]);
      expect([health.status, live.status, read.status]).toEqual([503, 200, 503]);
      expect(await health.json()).toEqual({ status: "unhealthy", checks: UNHEALTHY });
      expect(Number(read.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
      expect(await read.json()).toMatchObject({ code: "STORE_UNAVAILABLE" });

      await proxy.comeBack();
      const [healthy, unknown] = await Promise.all([get("/health"), get("/agents/a")]);
      expect([healthy.status, unknown.status]).toEqual([200, 404]);
      expect(host.output()).not.toContain(process.env.AZURE_SQL_PASSWORD);
    } finally {
      expect(await host.stop()).toBe(0);
      await proxy.close();
      await giveBack(database);
    }
  });
});
