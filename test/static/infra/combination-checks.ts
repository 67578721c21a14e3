import { expect, it } from "@jest/globals";
import { z } from "zod";
import { appSettings, type Given, only } from "./environments.ts";

/** Combinations that Azure refuses, or takes and then does not do, fail the template; the others pass. */

const SCALE = {
  instanceMemoryMegabytes: 2048,
  maximumInstanceCount: 40,
  httpPerInstanceConcurrency: 100,
  alwaysReady: { http: 1, sweep: 1, maintenance: 0 },
  zoneRedundant: false,
};

const STANDARD = { serviceObjective: "S2", backupRedundancy: "Local" };
const HYPERSCALE = {
  serviceObjective: "HS_Gen5_2",
  zoneRedundant: true,
  backupRedundancy: "Zone",
  highAvailabilityReplicas: 1,
};
const SERVERLESS = { serviceObjective: "GP_S_Gen5_2", backupRedundancy: "Local" };
const SELDOM = "0 0 */6 * * *";

/** An environment that nothing is wrong with: what problems.bicep asks for. */
const SOUND = {
  database: STANDARD,
  scale: SCALE,
  sweepSchedule: "*/15 * * * * *",
  availabilityTest: false,
  privateNetworking: true,
  publicApi: true,
  developerAddress: "",
};

/** What is asked for, and what is said against it; nothing when it is all right. */
const COMBINATIONS: readonly [string, Partial<Record<keyof typeof SOUND, unknown>>, readonly RegExp[]][] = [
  ["the defaults", {}, []],
  [
    "an S tier with zone redundancy",
    { database: { ...STANDARD, zoneRedundant: true } },
    [/^database\.zoneRedundant: S tiers have no zone redundancy/],
  ],
  ["a Premium database in three zones", { database: { ...STANDARD, serviceObjective: "P1", zoneRedundant: true } }, []],
  ["the largest Standard database", { database: { ...STANDARD, serviceObjective: "S12", maxSizeGibibytes: 1024 } }, []],
  ["zone redundancy on a Hyperscale database that may exist already", { database: HYPERSCALE }, [/only at creation/]],
  [
    "a Hyperscale database that is made zone redundant",
    { database: { ...HYPERSCALE, hyperscaleZoneRedundantFromCreation: true } },
    [],
  ],
  [
    "a zone redundant Hyperscale database with backups in one building and no replica",
    {
      database: {
        serviceObjective: "HS_S_Gen5_4",
        zoneRedundant: true,
        hyperscaleZoneRedundantFromCreation: true,
        backupRedundancy: "Geo",
      },
    },
    [/needs Zone or GeoZone/, /needs at least 1/],
  ],
  ["replicas on another tier", { database: { ...STANDARD, highAvailabilityReplicas: 1 } }, [/only for Hyperscale/]],
  ["more data than the size holds", { database: { ...STANDARD, maxSizeGibibytes: 500 } }, [/at most 250 GiB/]],
  [
    "auto-pause on a size that is not serverless",
    { database: { ...STANDARD, autoPauseDelayMinutes: 60 }, sweepSchedule: SELDOM },
    [/only for serverless/],
  ],
  [
    "a least capacity that the size does not take",
    { database: { ...SERVERLESS, minimumCapacity: "0.3" } },
    [/takes 0\.5, 0\.75/],
  ],
  [
    "a serverless database that never pauses",
    { database: { ...SERVERLESS, longTermRetention: { weekly: "P4W" } } },
    [],
  ],
  [
    "a serverless database that pauses between sweeps",
    { database: { ...SERVERLESS, autoPauseDelayMinutes: 60, minimumCapacity: "0.75" }, sweepSchedule: SELDOM },
    [],
  ],
  [
    "auto-pause on serverless Hyperscale",
    { database: { ...SERVERLESS, serviceObjective: "HS_S_Gen5_2", autoPauseDelayMinutes: 60 }, sweepSchedule: SELDOM },
    [/Hyperscale does not pause/],
  ],
  [
    "auto-pause after five minutes",
    { database: { ...SERVERLESS, autoPauseDelayMinutes: 5 }, sweepSchedule: SELDOM },
    [/at least 15/],
  ],
  [
    "auto-pause with long-term retention",
    {
      database: { ...SERVERLESS, autoPauseDelayMinutes: 60, longTermRetention: { weekly: "P4W" } },
      sweepSchedule: SELDOM,
    },
    [/long-term retention keeps/],
  ],
  [
    "auto-pause with a sweep every 15 seconds",
    { database: { ...SERVERLESS, autoPauseDelayMinutes: 60 } },
    [/a sweep of \*\/15 \* \* \* \* \* keeps the database awake/],
  ],
  [
    "auto-pause with a sweep every half hour",
    { database: { ...SERVERLESS, autoPauseDelayMinutes: 60 }, sweepSchedule: "0 */30 * * * *" },
    [/keeps the database awake/],
  ],
  [
    "auto-pause with an hourly sweep",
    { database: { ...SERVERLESS, autoPauseDelayMinutes: 60 }, sweepSchedule: "0 0 * * * *" },
    [/keeps the database awake/],
  ],
  [
    "auto-pause with an availability test",
    { database: { ...SERVERLESS, autoPauseDelayMinutes: 60 }, sweepSchedule: SELDOM, availabilityTest: true },
    [/availabilityTest asks the database/],
  ],
  [
    "more instances than the database has connections for",
    { scale: { ...SCALE, maximumInstanceCount: 200 } },
    [/202 processes share 120 workers/],
  ],
  [
    "zone redundancy with one instance of a timer",
    { scale: { ...SCALE, alwaysReady: { http: 2, sweep: 2, maintenance: 1 }, zoneRedundant: true } },
    [/at least 2 of each/],
  ],
  [
    "more instances ready than there may be",
    { scale: { ...SCALE, alwaysReady: { http: 41, sweep: 1, maintenance: 0 } } },
    [/more than maximumInstanceCount/],
  ],
  ["a developer's address with private networking", { developerAddress: "192.0.2.7" }, [/no address is let in/]],
  [
    "a private app without a private network",
    { privateNetworking: false, publicApi: false },
    [/needs privateNetworking/],
  ],
];

/** Connections of each process by size of the database: nine tenths of its workers, shared by all processes, at most 20. */
const POOLS: readonly [string, number, boolean, number][] = [
  ["S2", 40, false, 2],
  ["S3", 40, false, 4],
  ["GP_Gen5_4", 40, true, 8],
  ["GP_Gen5_16", 40, true, 20],
  ["GP_S_Gen5_2", 20, false, 6],
  ["BC_Gen5_32", 250, true, 11],
];

const outputs = z.object({ problems: z.array(z.string()), poolSize: z.number() });

const ENVIRONMENT = {
  environmentName: "test",
  sqlAdministratorGroup: { name: "administrators", objectId: "30000000-0000-0000-0000-000000000003" },
  alerting: { emailAddresses: [], availabilityTest: false },
};

export function combinationChecks(given: Given): void {
  const judge = async (parameters: object) =>
    outputs.parse(
      (await given().bicep.snapshotOf("test/static/infra/problems.bicep", { ...SOUND, ...parameters })).outputs,
    );
  const make = (parameters: object) =>
    given().bicep.snapshotOf("infra/main.bicep", { ...ENVIRONMENT, location: "westeurope", ...parameters });

  it.each(COMBINATIONS)("judges %s", async (_what, parameters, expected) => {
    const { problems } = await judge(parameters);
    expect(problems).toEqual(expected.map((problem) => expect.stringMatching(problem)));
  });

  it.each(POOLS)("gives each process its share of %s at %d instances", async (serviceObjective, count, zones, size) => {
    const ready = zones ? 2 : 1;
    const alwaysReady = { http: ready, sweep: ready, maintenance: ready };
    const { poolSize } = await judge({
      database: { serviceObjective, backupRedundancy: "Local" },
      scale: { ...SCALE, maximumInstanceCount: count, alwaysReady, zoneRedundant: zones },
    });
    expect(poolSize).toBe(size);
  });

  it("fails with everything that is wrong at once", async () => {
    const wrong = {
      database: { ...STANDARD, zoneRedundant: true, maxSizeGibibytes: 500 },
      scale: { ...SCALE, maximumInstanceCount: 200 },
    };
    await expect(make(wrong)).rejects.toThrow(/zone redundancy.*250 GiB.*202 processes/);
  });

  it("fails for a size that does not exist, also when it is deployed into a group that is there", async () => {
    const unknown = { ...ENVIRONMENT, database: { ...STANDARD, serviceObjective: "S5" } };
    await expect(given().bicep.snapshotOf("infra/resources.bicep", unknown)).rejects.toThrow(/S5 is none of .*\bS2\b/);
  });

  it("sees the sweep's schedule among the settings", async () => {
    const database = { ...SERVERLESS, autoPauseDelayMinutes: 60 };
    await expect(make({ database })).rejects.toThrow(/keeps the database awake/);
    const snapshot = await make({ database, settings: { AGENT_SWEEP_SCHEDULE: SELDOM } });
    expect(only(snapshot, "Microsoft.Sql/servers/databases")).toMatchObject({
      sku: { name: "GP_S_Gen5", tier: "GeneralPurpose", family: "Gen5", capacity: 2 },
      properties: { autoPauseDelay: 60, minCapacity: 0.5 },
    });
  });

  it("makes a Hyperscale database without a size, and with its replicas", async () => {
    const snapshot = await make({ database: { ...HYPERSCALE, hyperscaleZoneRedundantFromCreation: true } });
    const { sku, properties } = only(snapshot, "Microsoft.Sql/servers/databases");
    expect(sku).toEqual({ name: "HS_Gen5", tier: "Hyperscale", family: "Gen5", capacity: 2 });
    expect(properties).toEqual({
      zoneRedundant: true,
      requestedBackupStorageRedundancy: "Zone",
      highAvailabilityReplicaCount: 1,
    });
  });

  it("hands the share of connections to the app", async () => {
    const snapshot = await given().bicep.snapshotOf("infra/resources.bicep", ENVIRONMENT);
    expect(appSettings(snapshot).AZURE_SQL_POOL_SIZE).toBe("2");
    expect(only(snapshot, "Microsoft.Sql/servers").properties.publicNetworkAccess).toBe("Disabled");
  });

  it("lets in a developer who asks for it, and nobody else", async () => {
    const snapshot = await make({ privateNetworking: false, developerAddress: "192.0.2.7" });
    expect(only(snapshot, "Microsoft.Sql/servers/firewallRules").properties).toEqual({
      startIpAddress: "192.0.2.7",
      endIpAddress: "192.0.2.7",
    });
  });

  it("gives a private app an endpoint and a zone, and asks it from nowhere outside", async () => {
    const snapshot = await make({ publicApi: false, alerting: { emailAddresses: [], availabilityTest: true } });
    expect(only(snapshot, "Microsoft.Web/sites").properties.publicNetworkAccess).toBe("Disabled");
    const found = snapshot.predictedResources.map(({ type, name }) => `${type} ${name}`);
    expect(found).toContain("Microsoft.Network/privateDnsZones privatelink.azurewebsites.net");
    expect(found.filter((each) => each.startsWith("Microsoft.Insights/webtests"))).toEqual([]);
  });
}
