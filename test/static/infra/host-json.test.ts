import { expect, it } from "@jest/globals";
import { z } from "zod";
import { readSource } from "../style/sources.ts";

/** host.json: what docs/hosting.md says of it. */

const seconds = z
  .string()
  .regex(/^\d\d:\d\d:\d\d$/)
  .transform((text) => text.split(":").reduce((sum, part) => sum * 60 + Number(part), 0));

const host = z
  .looseObject({
    version: z.literal("2.0"),
    functionTimeout: seconds,
    extensions: z.strictObject({ http: z.strictObject({ routePrefix: z.literal("") }) }),
    singleton: z.strictObject({ listenerLockPeriod: seconds, listenerLockRecoveryPollingInterval: seconds }),
  })
  .parse(JSON.parse(readSource("host.json").text));

it("functions end well after maintenance (60 s) and the longest poll (20 s) would", () => {
  expect(host.functionTimeout).toBeGreaterThanOrEqual(120);
  expect(host.functionTimeout).toBeLessThanOrEqual(600);
});

it("another instance takes a timer over within half a minute, before anybody is told of missing sweeps", () => {
  const { listenerLockPeriod, listenerLockRecoveryPollingInterval } = host.singleton;
  // The host takes 15 to 60 s.
  expect(listenerLockPeriod).toBeGreaterThanOrEqual(15);
  expect(listenerLockPeriod + listenerLockRecoveryPollingInterval).toBeLessThanOrEqual(30);
});

it("no extension bundle is named: HTTP and timers are built in, and a host without network would not start", () => {
  expect(Object.keys(host)).not.toContain("extensionBundle");
});
