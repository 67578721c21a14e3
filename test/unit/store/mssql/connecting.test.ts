import { describe, expect, it } from "@jest/globals";
import mssql from "mssql";
import type { SqlSettings } from "../../../../src/lib/config/sql-settings.ts";
import { OffsetClock, systemClock } from "../../../../src/lib/model/clock.ts";
import { credentialOf, SharedTokens } from "../../../../src/lib/security/azure-credential.ts";
import { isTransient } from "../../../../src/lib/store/mssql/faults.ts";
import { poolConfig } from "../../../../src/lib/store/mssql/pool-config.ts";
import { runFile } from "../../../support/run-process.ts";

/** What the driver is told, and how it gets its tokens. */

const SETTINGS: SqlSettings = {
  server: "db.example.net",
  port: 1444,
  database: "agents",
  authentication: { type: "sql-login", username: "app", password: "pw" },
  encrypt: true,
  trustServerCertificate: false,
  poolSize: 7,
  connectTimeoutSeconds: 5,
  requestTimeoutSeconds: 60,
};

describe("the pool", () => {
  it("encrypts, checks the certificate, and asks nothing before a batch", async () => {
    expect(await poolConfig(SETTINGS, systemClock)).toMatchObject({
      server: "db.example.net",
      port: 1444,
      database: "agents",
      user: "app",
      password: "pw",
      connectionTimeout: 5_000,
      requestTimeout: 60_000,
      validateConnection: false,
      pool: { max: 7, min: 0 },
      options: { encrypt: true, trustServerCertificate: false, useUTC: true, maxRetriesOnTransientErrors: 0 },
    });
  });

  it("of which no connection becomes free in time says so in a way that is tried again", async () => {
    /** The driver's pool over a server that answers the first connection, with which the driver tries it, and no other. */
    class SilentPool extends mssql.ConnectionPool {
      #made = 0;
      _poolCreate(): Promise<object> {
        this.#made += 1;
        return this.#made === 1 ? Promise.resolve({}) : new Promise(() => undefined);
      }
      _poolDestroy(): Promise<void> {
        return Promise.resolve();
      }
    }
    const pool = new SilentPool(await poolConfig({ ...SETTINGS, connectTimeoutSeconds: 0.05 }, systemClock));
    pool.on("error", () => undefined);
    await pool.connect();
    const error: unknown = await pool
      .request()
      .query("SELECT 1")
      .catch((refused: unknown) => refused);
    expect(error).toMatchObject({ message: expect.stringContaining("acquire") });
    expect(isTransient(error)).toBe(true);
  });

  it.each<[Exclude<SqlSettings["authentication"], { type: "sql-login" }>, string]>([
    [{ type: "managed-identity" }, "ManagedIdentityCredential"],
    [{ type: "managed-identity", clientId: "id" }, "ManagedIdentityCredential"],
    [
      { type: "service-principal", tenantId: "tenant", clientId: "id", clientSecret: "secret" },
      "ClientSecretCredential",
    ],
    [{ type: "interactive", username: "ann@example.net" }, "InteractiveBrowserCredential"],
    [{ type: "default" }, "DefaultAzureCredential"],
    [{ type: "default", clientId: "id", tenantId: "tenant" }, "DefaultAzureCredential"],
  ])("of %j logs in with a token of %s", async (authentication, name) => {
    const config = await poolConfig({ ...SETTINGS, authentication }, systemClock);
    expect(config).not.toHaveProperty("user");
    expect(config).not.toHaveProperty("password");
    expect(config.authentication?.type).toBe("token-credential");
    expect((await credentialOf(authentication)).constructor.name).toBe(name);
  });
});

describe("tokens", () => {
  /** Answers as it is told to, one after the other. */
  function tokensOf(clock: OffsetClock, answers: readonly (number | "fails")[]) {
    let asked = 0;
    const tokens = new SharedTokens(
      {
        getToken: async () => {
          const answer = answers[asked++];
          if (answer === undefined || answer === "fails") throw new Error("no token");
          return { token: `token ${asked}`, expiresOnTimestamp: clock.now() + answer * 60_000 };
        },
      },
      clock,
    );
    return { get: async () => (await tokens.getToken("scope"))?.token, asked: () => asked, tokens };
  }

  it("one is asked for by all connections that open at once", async () => {
    const { get, asked } = tokensOf(new OffsetClock(), [60]);
    expect(await Promise.all([get(), get(), get()])).toEqual(["token 1", "token 1", "token 1"]);
    expect(asked()).toBe(1);
  });

  it("it is used again until shortly before its end, then one more is asked for, by one of them", async () => {
    const clock = new OffsetClock();
    const { get, asked } = tokensOf(clock, [60, 60]);
    await get();
    clock.advance(57 * 60_000);
    expect(await get()).toBe("token 1");
    clock.advance(2 * 60_000);
    expect(await Promise.all([get(), get()])).toEqual(["token 2", "token 2"]);
    expect(asked()).toBe(2);
  });

  it("one that ends soon is used all the same, once", async () => {
    const { get, asked } = tokensOf(new OffsetClock(), [1, 1]);
    expect([await get(), await get()]).toEqual(["token 1", "token 2"]);
    expect(asked()).toBe(2);
  });

  it("a failure is that of those who waited for it; the next asks again", async () => {
    const { get, asked } = tokensOf(new OffsetClock(), ["fails", 60]);
    const both = await Promise.allSettled([get(), get()]);
    expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(await get()).toBe("token 2");
    expect(asked()).toBe(2);
  });

  it("those for another scope are others", async () => {
    const { tokens, asked } = tokensOf(new OffsetClock(), [60, 60]);
    await tokens.getToken(["a"]);
    await tokens.getToken(["b"]);
    expect(asked()).toBe(2);
  });
});

describe("a process in mode mock", () => {
  it("loads neither the driver nor Entra ID", async () => {
    const { code, out, error } = await runFile("test/static/t-sql/loaded-modules.ts");
    expect({ code, error }).toEqual({ code: 0, error: "" });
    expect(JSON.parse(out)).toEqual([]);
  });
});
