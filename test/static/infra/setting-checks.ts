import { expect, it } from "@jest/globals";
import { z } from "zod";
import { readConfig } from "../../../src/lib/config/config.ts";
import { readSource } from "../style/sources.ts";
import { appSettings, type Given, only } from "./environments.ts";
import { defaults, NOT_ON_AZURE, ownSettings, readSettings as read } from "./setting-names.ts";

/** Whatever the code reads, the template sets; and what it sets, the code reads. */

/** The host's own, which our code does not read. */
const OF_THE_HOST = /^AzureWebJobsStorage__|^AzureWebJobsDisableHomepage$|^APPLICATIONINSIGHTS_/;

/** Deprecated on Flex Consumption, where functionAppConfig has their place: an app that is given them may not start. */
const NOT_ON_FLEX = [
  "FUNCTIONS_WORKER_RUNTIME",
  "FUNCTIONS_EXTENSION_VERSION",
  "WEBSITE_RUN_FROM_PACKAGE",
  "WEBSITE_NODE_DEFAULT_VERSION",
  "WEBSITE_CONTENTSHARE",
  "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING",
  "WEBSITE_VNET_ROUTE_ALL",
  "SCM_DO_BUILD_DURING_DEPLOYMENT",
  "ENABLE_ORYX_BUILD",
  "AzureWebJobsStorage",
];

export function settingChecks(given: Given): void {
  const settings = () => appSettings(given().prod);

  it("are all that the code reads", () => {
    expect(read).toEqual(expect.arrayContaining(["AGENT_COMMUNICATION_MODE", "AZURE_SQL_SERVER", "AGENT_MAX_MAILBOX"]));
    const missing = read.filter((name) => !(name in settings()) && !(name in NOT_ON_AZURE));
    expect(missing).toEqual([]);
  });

  it("are no more than the code and the host read", () => {
    const documented = z
      .object({ Values: z.record(z.string(), z.string()) })
      .parse(JSON.parse(readSource("local.settings.json.example").text)).Values;
    const idle = Object.keys(settings()).filter(
      (name) => !read.includes(name) && !OF_THE_HOST.test(name) && !(name in documented),
    );
    expect(idle).toEqual([]);
  });

  it("leave out what has no place on Azure or on Flex Consumption", () => {
    expect(Object.keys(settings()).filter((name) => name in NOT_ON_AZURE || NOT_ON_FLEX.includes(name))).toEqual([]);
  });

  it("are good ones to the code, where only Azure knows them as well", () => {
    const known: Readonly<Record<string, string>> = {
      AZURE_SQL_SERVER: "sql-agents-prod.database.windows.net",
      AZURE_KEY_VAULT_URL: "https://kvagentsprod.vault.azure.net/",
      AGENT_PUBLIC_URL: "https://func-agents-prod.azurewebsites.net",
      AZURE_CLIENT_ID: "40000000-0000-0000-0000-000000000004",
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: "ClientId=40000000-0000-0000-0000-000000000004;Authorization=AAD",
      APPLICATIONINSIGHTS_CONNECTION_STRING:
        "InstrumentationKey=70000000-0000-0000-0000-000000000007;IngestionEndpoint=https://westeurope-5.in.applicationinsights.azure.com/",
    };
    const environment = Object.fromEntries(
      Object.entries(settings()).map(([name, value]) => [name, known[name] ?? String(value)]),
    );
    const platform = { WEBSITE_SITE_NAME: "func-agents-prod", WEBSITE_INSTANCE_ID: "0" };
    let said = "";
    try {
      readConfig({ ...environment, ...platform }, { underFunctions: true });
    } catch (error) {
      said = String(error);
    }
    // Whether credentials are asked for is not the template's to say.
    expect(said).not.toMatch(/\b(?:AGENT_(?!AUTH_MODE)|AZURE_|APPLICATIONINSIGHTS_)/);
  });

  it("make the host use its storage by identity", () => {
    expect(
      Object.keys(settings())
        .filter((name) => name.startsWith("AzureWebJobsStorage__"))
        .sort(),
    ).toEqual([
      "AzureWebJobsStorage__blobServiceUri",
      "AzureWebJobsStorage__clientId",
      "AzureWebJobsStorage__credential",
      "AzureWebJobsStorage__queueServiceUri",
      "AzureWebJobsStorage__tableServiceUri",
    ]);
    expect(settings().AzureWebJobsStorage__credential).toBe("managedidentity");
    expect(settings().APPLICATIONINSIGHTS_AUTHENTICATION_STRING).toMatch(/Authorization=AAD/);
  });

  it("are refused when they are misspelt, or the template's own", async () => {
    const minimal = {
      environmentName: "test",
      location: "westeurope",
      sqlAdministratorGroup: { name: "administrators", objectId: "30000000-0000-0000-0000-000000000003" },
      alerting: { emailAddresses: [], availabilityTest: false },
    };
    await expect(
      given().bicep.snapshotOf("infra/main.bicep", {
        ...minimal,
        settings: { AGENT_MAX_MAILBOKS: "5", AGENT_AUTH_MODE: "none" },
      }),
    ).rejects.toThrow(/AGENT_AUTH_MODE, AGENT_MAX_MAILBOKS: not a setting/);
  });

  it("take the place of the defaults, and client certificates switch the platform's on", async () => {
    const snapshot = await given().bicep.snapshotOf("infra/main.bicep", {
      environmentName: "test",
      location: "westeurope",
      sqlAdministratorGroup: { name: "administrators", objectId: "30000000-0000-0000-0000-000000000003" },
      alerting: { emailAddresses: [], availabilityTest: false },
      settings: { AGENT_MAX_MAILBOX: "5000", AGENT_CLIENT_CERTIFICATES: "platform" },
    });
    expect(appSettings(snapshot)).toMatchObject({ AGENT_MAX_MAILBOX: "5000", AGENT_MAX_RETRIES: "3" });
    expect(only(snapshot, "Microsoft.Web/sites").properties).toMatchObject({
      clientCertEnabled: true,
      clientCertMode: "Optional",
    });
  });

  it("have the defaults of the code", () => {
    expect(Object.keys(defaults).length).toBeGreaterThan(10);
    // An empty one counts as absent, so both read the same.
    const local = { AGENT_AUTH_MODE: "none" };
    expect(readConfig({ ...defaults, ...local })).toEqual(readConfig(local));
  });

  it("are named in one place: none of the defaults is one of the template's own", () => {
    expect(ownSettings).toEqual(expect.arrayContaining(["AGENT_AUTH_MODE", "AZURE_SQL_POOL_SIZE"]));
    expect(Object.keys(defaults).filter((name) => ownSettings.includes(name))).toEqual([]);
  });
}
