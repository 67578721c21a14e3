import { describe, expect, it } from "@jest/globals";
import type { Snapshot } from "./bicep.ts";
import { type Given, ofType, only } from "./environments.ts";

/** What must hold of the resources before anybody deploys them, and what no compiler sees: versions, names of sizes, limits. */

/** Public by their nature, and why that is all right. */
const PUBLIC_IN_PROD: Readonly<Record<string, string>> = {
  "Microsoft.Web/sites": "agents call it; publicApi=false gives it a private endpoint instead",
  "Microsoft.ContainerRegistry/registries": "its builder and the job reach it by its public address; holds code only",
};

/** Types that take diagnostic settings. Application Insights is in the workspace already; a Flex plan measures nothing. */
const WITH_DIAGNOSTICS = [
  "Microsoft.KeyVault/vaults",
  "Microsoft.Sql/servers/databases",
  "Microsoft.Storage/storageAccounts",
  "Microsoft.Storage/storageAccounts/blobServices",
  "Microsoft.Storage/storageAccounts/queueServices",
  "Microsoft.Storage/storageAccounts/tableServices",
  "Microsoft.Web/sites",
  "Microsoft.Network/virtualNetworks",
  "Microsoft.Network/networkSecurityGroups",
  "Microsoft.OperationalInsights/workspaces",
  "Microsoft.ContainerRegistry/registries",
  "Microsoft.App/managedEnvironments",
];

/** Types that no diagnostic setting is for: policies, roles, parts of others, and what measures itself. */
const WITHOUT_DIAGNOSTICS =
  /^Microsoft\.(?:Resources\/resourceGroups|ManagedIdentity\/|Insights\/|Authorization\/|Web\/serverfarms|Web\/sites\/|Sql\/servers$|Sql\/servers\/(?!databases$)|Sql\/servers\/databases\/|Storage\/storageAccounts\/blobServices\/|Network\/private|App\/jobs)/;

const KEY_VALUES = /(?:AccountKey|SharedAccessKey|Password|Pwd|sig)=|BEGIN [A-Z ]*PRIVATE KEY/i;

function common(which: "dev" | "prod", found: () => Snapshot): void {
  it("the database server takes Entra ID only, and TLS 1.2", () => {
    const { properties } = only(found(), "Microsoft.Sql/servers");
    expect(properties).toMatchObject({
      administrators: { administratorType: "ActiveDirectory", azureADOnlyAuthentication: true, principalType: "Group" },
      minimalTlsVersion: "1.2",
      restrictOutboundNetworkAccess: "Enabled",
      version: "12.0",
    });
    expect(Object.keys(properties)).not.toContain("administratorLogin");
    expect(Object.keys(properties)).not.toContain("administratorLoginPassword");
    const { properties: again } = only(found(), "Microsoft.Sql/servers/azureADOnlyAuthentications");
    expect(again).toEqual({ azureADOnlyAuthentication: true });
  });

  it("the server's audit goes to the workspace, without the batches, which carry what agents say", () => {
    const { properties } = only(found(), "Microsoft.Sql/servers/auditingSettings");
    expect(properties).toMatchObject({ state: "Enabled", isAzureMonitorTargetEnabled: true });
    expect(properties.auditActionsAndGroups).toEqual(
      expect.arrayContaining(["FAILED_DATABASE_AUTHENTICATION_GROUP", "DATABASE_PRINCIPAL_CHANGE_GROUP"]),
    );
    expect(properties.auditActionsAndGroups).not.toContain("BATCH_COMPLETED_GROUP");
    const settings = ofType(found(), "Microsoft.Insights/diagnosticSettings");
    expect(
      settings.filter(({ id }) => /\/databases\/master\//.test(id)).map(({ properties: { logs } }) => logs),
    ).toEqual([[{ category: "SQLSecurityAuditEvents", enabled: true }]]);
  });

  it("storage opens to no key and to nobody anonymous", () => {
    expect(only(found(), "Microsoft.Storage/storageAccounts").properties).toMatchObject({
      allowSharedKeyAccess: false,
      defaultToOAuthAuthentication: true,
      allowBlobPublicAccess: false,
      minimumTlsVersion: "TLS1_2",
      supportsHttpsTrafficOnly: true,
    });
    expect(only(found(), "Microsoft.Storage/storageAccounts/blobServices/containers").properties).toEqual({
      publicAccess: "None",
    });
  });

  it("the vault goes by roles, and lets in nobody by default", () => {
    expect(only(found(), "Microsoft.KeyVault/vaults").properties).toMatchObject({
      enableRbacAuthorization: true,
      enableSoftDelete: true,
      sku: { family: "A", name: "standard" },
      networkAcls: { bypass: "None", defaultAction: "Deny" },
    });
  });

  it("telemetry is taken from identities only", () => {
    expect(only(found(), "Microsoft.Insights/components").properties).toMatchObject({
      DisableLocalAuth: true,
      IngestionMode: "LogAnalytics",
    });
    expect(only(found(), "Microsoft.OperationalInsights/workspaces").properties).toMatchObject({
      features: { disableLocalAuth: true },
      sku: { name: "PerGB2018" },
    });
  });

  it("the app runs on Node 24, Flex Consumption, by its identity, over https and the network", () => {
    const plan = only(found(), "Microsoft.Web/serverfarms");
    expect(plan.sku).toEqual({ name: "FC1", tier: "FlexConsumption" });
    expect(plan.properties).toMatchObject({ reserved: true });
    const app = only(found(), "Microsoft.Web/sites");
    expect(app.kind).toBe("functionapp,linux");
    expect(app.identity).toMatchObject({ type: "UserAssigned" });
    expect(app.tags).toMatchObject({ "azd-service-name": "api" });
    expect(app.properties).toMatchObject({
      httpsOnly: true,
      virtualNetworkSubnetId: expect.anything(),
      siteConfig: { minTlsVersion: "1.2", scmMinTlsVersion: "1.2" },
      functionAppConfig: {
        runtime: { name: "node", version: "24" },
        deployment: { storage: { type: "blobContainer", authentication: { type: "UserAssignedIdentity" } } },
        scaleAndConcurrency: {
          instanceMemoryMB: 2048,
          maximumInstanceCount: 40,
          triggers: { http: { perInstanceConcurrency: 100 } },
        },
      },
    });
    const passwords = ofType(found(), "Microsoft.Web/sites/basicPublishingCredentialsPolicies");
    expect(passwords.map(({ name, properties }) => [name.split("/")[1], properties])).toEqual([
      ["scm", { allow: false }],
      ["ftp", { allow: false }],
    ]);
  });

  it("every resource that has diagnostics sends them to the workspace", () => {
    const settings = ofType(found(), "Microsoft.Insights/diagnosticSettings");
    const sending = settings.map(({ id }) =>
      id.replace(/\/providers\/Microsoft\.Insights\/diagnosticSettings\/.*$/i, ""),
    );
    const must = found().predictedResources.filter(({ type }) => WITH_DIAGNOSTICS.includes(type));
    expect(must.length).toBeGreaterThan(8);
    expect(must.filter(({ id }) => !sending.includes(id)).map(({ id }) => id)).toEqual([]);
    for (const { properties } of settings) {
      expect(properties.workspaceId).toEqual(expect.stringContaining("workspace"));
      const { logs = [], metrics = [] } = properties;
      expect([logs, metrics].flat()).not.toEqual([]);
    }
    const unknown = found().predictedResources.filter(
      ({ type }) => !WITH_DIAGNOSTICS.includes(type) && !WITHOUT_DIAGNOSTICS.test(type),
    );
    expect(unknown.map(({ type }) => type)).toEqual([]);
  });

  it("every resource that has tags says what it belongs to", () => {
    const tagless = found().predictedResources.filter(
      ({ type, tags }) => tags === undefined && type.split("/").length === 2,
    );
    expect([...new Set(tagless.map(({ type }) => type))].sort()).toEqual(
      [
        "Microsoft.Authorization/locks",
        "Microsoft.Authorization/roleAssignments",
        "Microsoft.Insights/diagnosticSettings",
      ].filter((type) => which === "prod" || type !== "Microsoft.Authorization/locks"),
    );
    for (const { tags } of found().predictedResources) {
      if (typeof tags === "object") expect(tags).toMatchObject({ workload: "agent-communication", environment: which });
    }
  });

  it("no secret is in a resource or an output", () => {
    expect(JSON.stringify(found())).not.toMatch(KEY_VALUES);
    expect(JSON.stringify(found())).not.toMatch(/listKeys|listAccountSas|listCredentials|newGuid/i);
  });

  it("names are short enough, and those the whole world shares are made unique", () => {
    const name = (type: string) => only(found(), type).name;
    expect(name("Microsoft.Storage/storageAccounts")).toMatch(new RegExp(`^stagents${which}[a-z0-9]{8}$`));
    expect(name("Microsoft.Storage/storageAccounts").length).toBeLessThanOrEqual(24);
    expect(name("Microsoft.KeyVault/vaults").length).toBeLessThanOrEqual(24);
    expect(name("Microsoft.Sql/servers")).toMatch(/^sql-agents-[a-z]+-[a-z0-9]{8}$/);
    expect(name("Microsoft.Web/sites").length).toBeLessThanOrEqual(60);
  });
}

export function securityChecks(given: Given): void {
  describe("dev", () => {
    common("dev", () => given().dev);

    it("lets in the app's subnet only: no address, no other service of Azure", () => {
      expect(ofType(given().dev, "Microsoft.Sql/servers/firewallRules")).toEqual([]);
      expect(ofType(given().dev, "Microsoft.Sql/servers/virtualNetworkRules")).toHaveLength(1);
      expect(only(given().dev, "Microsoft.KeyVault/vaults").properties.networkAcls).toMatchObject({ ipRules: [] });
    });

    it("keeps nothing ready, and has no private endpoint, job or test that costs while nobody uses it", () => {
      expect(ofType(given().dev, "Microsoft.Network/privateEndpoints")).toEqual([]);
      expect(ofType(given().dev, "Microsoft.App/managedEnvironments")).toEqual([]);
      expect(ofType(given().dev, "Microsoft.Insights/webtests")).toEqual([]);
      expect(only(given().dev, "Microsoft.Web/sites").properties).toMatchObject({
        functionAppConfig: { scaleAndConcurrency: { alwaysReady: [] } },
      });
      expect(only(given().dev, "Microsoft.Sql/servers/databases").sku).toEqual({ name: "S2", tier: "Standard" });
    });
  });

  describe("prod", () => {
    common("prod", () => given().prod);

    it("has no public access but where it is meant", () => {
      const open = given().prod.predictedResources.filter(
        ({ properties }) =>
          properties.publicNetworkAccess !== undefined && properties.publicNetworkAccess !== "Disabled",
      );
      expect(open.map(({ type }) => type).sort()).toEqual(Object.keys(PUBLIC_IN_PROD).sort());
      for (const type of ["Microsoft.Sql/servers", "Microsoft.KeyVault/vaults", "Microsoft.Storage/storageAccounts"]) {
        expect(only(given().prod, type).properties.publicNetworkAccess).toBe("Disabled");
      }
      expect(ofType(given().prod, "Microsoft.Sql/servers/firewallRules")).toEqual([]);
      expect(ofType(given().prod, "Microsoft.Sql/servers/virtualNetworkRules")).toEqual([]);
      expect(ofType(given().prod, "Microsoft.Network/publicIPAddresses")).toEqual([]);
      expect(only(given().prod, "Microsoft.ContainerRegistry/registries").properties.adminUserEnabled).toBe(false);
    });

    it("has a private endpoint and a DNS zone for the database, the vault and each part of storage", () => {
      const groups = ofType(given().prod, "Microsoft.Network/privateEndpoints").map(({ properties }) => {
        const text = JSON.stringify(properties.privateLinkServiceConnections);
        return /"groupIds":\["(\w+)"\]/.exec(text)?.[1];
      });
      expect(groups).toEqual(["sqlServer", "vault", "blob", "queue", "table"]);
      expect(ofType(given().prod, "Microsoft.Network/privateEndpoints/privateDnsZoneGroups")).toHaveLength(5);
      expect(ofType(given().prod, "Microsoft.Network/privateDnsZones")).toHaveLength(5);
      const links = ofType(given().prod, "Microsoft.Network/privateDnsZones/virtualNetworkLinks");
      expect(links.map(({ properties }) => properties.registrationEnabled)).toEqual(Array(5).fill(false));
    });

    it("has subnets of its own for the app and the job, delegated as Flex Consumption and Container Apps ask", () => {
      const { subnets } = only(given().prod, "Microsoft.Network/virtualNetworks").properties;
      expect(subnets).toMatchObject([
        {
          name: "functions",
          properties: { delegations: [{ properties: { serviceName: "Microsoft.App/environments" } }] },
        },
        { name: "private-endpoints", properties: { defaultOutboundAccess: false } },
        { name: "jobs", properties: { delegations: [{ properties: { serviceName: "Microsoft.App/environments" } }] } },
      ]);
    });

    it("keeps what was deleted", () => {
      expect(only(given().prod, "Microsoft.KeyVault/vaults").properties).toMatchObject({
        enablePurgeProtection: true,
        softDeleteRetentionInDays: 90,
      });
      const locks = ofType(given().prod, "Microsoft.Authorization/locks");
      expect(locks.map(({ properties }) => properties.level)).toEqual(Array(4).fill("CanNotDelete"));
      expect(locks.map(({ name }) => name.replace(/^lock-|agents.*$/g, "")).sort()).toEqual(["", "kv", "log-", "st"]);
      expect(
        only(given().prod, "Microsoft.Sql/servers/databases/backupLongTermRetentionPolicies").properties,
      ).toMatchObject({
        weeklyRetention: "P5W",
        monthlyRetention: "P12M",
      });
    });

    it("outlives a zone", () => {
      expect(only(given().prod, "Microsoft.Sql/servers/databases")).toMatchObject({
        sku: { name: "P1", tier: "Premium" },
        properties: { zoneRedundant: true, requestedBackupStorageRedundancy: "GeoZone" },
      });
      expect(only(given().prod, "Microsoft.Web/serverfarms").properties.zoneRedundant).toBe(true);
      expect(only(given().prod, "Microsoft.Storage/storageAccounts").sku).toEqual({ name: "Standard_ZRS" });
      expect(only(given().prod, "Microsoft.Web/sites").properties).toMatchObject({
        functionAppConfig: {
          scaleAndConcurrency: {
            alwaysReady: [
              { name: "http", instanceCount: 2 },
              { name: "function:sweep", instanceCount: 2 },
              { name: "function:maintenance", instanceCount: 2 },
            ],
          },
        },
      });
    });

    it("prepares the database from within the network, as the migrator", () => {
      expect(only(given().prod, "Microsoft.App/managedEnvironments").properties).toMatchObject({
        publicNetworkAccess: "Disabled",
        vnetConfiguration: { internal: true },
      });
      const job = only(given().prod, "Microsoft.App/jobs");
      expect(JSON.stringify(job.identity)).toContain("-migrator");
      expect(JSON.stringify(job.identity)).not.toContain("-app");
      expect(job.properties).toMatchObject({ configuration: { triggerType: "Manual", replicaRetryLimit: 0 } });
      expect(JSON.stringify(job.properties)).toContain(
        '"name":"AGENT_ENCRYPTION_SECRET","value":"agent-communication-encryption-key"',
      );
    });
  });
}
