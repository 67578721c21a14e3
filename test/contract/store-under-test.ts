import { afterAll, beforeAll } from "@jest/globals";
import type { Store, StoreSettings } from "../../src/lib/store/store.ts";
import { Scene } from "./support.ts";

/** A store, and the hands by which a test moves its time. The suites know nothing else about the engine. */
export interface StoreUnderTest {
  store: Store;
  /** Moves forward by itself between two calls as well. `set` is for tests of clocks that are set, back or forth. */
  clock: { now(): number; advance(milliseconds: number): void; set?(milliseconds: number): void };
  /** Where the engine can: closes and opens the same rows again, `store` included. */
  reopen?(): Promise<void>;
  close(): Promise<void>;
}

/** Opens an empty store. Settings that are absent take `CALM_SETTINGS`. */
export type StoreFactory = (settings?: Partial<StoreSettings>) => Promise<StoreUnderTest>;

const YEAR_SECONDS = 31_536_000;

/**
 * Settings under which nothing but what a test does itself happens: agents stay active however far time is moved.
 * Suites about heartbeats ask for shorter ones.
 */
export const CALM_SETTINGS: StoreSettings = {
  heartbeatIntervalSeconds: 30,
  heartbeatTimeoutSeconds: 10 * YEAR_SECONDS,
  defaultTimeoutSeconds: 300,
  maxRetries: 3,
  maxTaskDepth: 8,
  maxTasksPerRoot: 1_000,
  maxMailbox: 100_000,
  messageRetentionDays: 7,
  deadLetterRetentionDays: 30,
  inactiveRetentionDays: 30,
  taskRetentionDays: 30,
  auditRetentionDays: 365,
  auditMessages: false,
};

/** What a suite holds for its whole run. */
export interface Stage {
  /** A new Scene: ids and a capability that no other test of this store uses. */
  scene(): Scene;
  readonly under: StoreUnderTest;
}

/** One store for all tests of the surrounding describe; opening one may be costly where it is a real database. */
export function useStore(open: StoreFactory, settings: Partial<StoreSettings> = {}): Stage {
  let opened: StoreUnderTest | undefined;
  const current = (): StoreUnderTest => {
    if (opened === undefined) throw new Error("the store is only open while tests run");
    return opened;
  };
  beforeAll(async () => {
    opened = await open(settings);
  });
  afterAll(async () => {
    await opened?.close();
  });
  return {
    scene: () => new Scene(current()),
    get under() {
      return current();
    },
  };
}

/** A store of its own for one test, closed afterwards however the test ends. */
export async function withStore(
  open: StoreFactory,
  settings: Partial<StoreSettings>,
  body: (scene: Scene, under: StoreUnderTest) => Promise<void>,
): Promise<void> {
  const under = await open(settings);
  try {
    await body(new Scene(under), under);
  } finally {
    await under.close();
  }
}
