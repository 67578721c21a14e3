import { z } from "zod";
import { readSource, sourcesIn, withoutComments } from "../style/sources.ts";

/** Which settings the code reads, and which the template sets, both from their texts. */

/** Not set on Azure, each for a reason. */
export const NOT_ON_AZURE: Readonly<Record<string, string>> = {
  AGENT_MOCK_DATABASE: "of mode mock",
  AGENT_HTTP_HOST: "of npm start; the platform listens",
  AGENT_HTTP_PORT: "of npm start; the platform listens",
  AGENT_KEY_FILE: "refused on Azure, whose disks do not last",
  AGENT_TLS_CERTIFICATE_FILE: "of npm start; the platform ends TLS",
  AGENT_TLS_KEY_FILE: "of npm start; the platform ends TLS",
  AZURE_SQL_USERNAME: "the server takes Entra ID only",
  AZURE_SQL_PASSWORD: "the server takes Entra ID only",
  AZURE_SQL_PASSWORD_SECRET: "the server takes Entra ID only",
  AZURE_SQL_CONNECTION_STRING: "server and database are set singly",
  AZURE_SQL_PORT: "Azure SQL listens on 1433",
  AZURE_SQL_TEST_SERVER: "refused on Azure",
  AZURE_CLIENT_SECRET: "a managed identity has none",
};

const code = [
  ...sourcesIn("src/lib/config").filter(({ path }) => !path.endsWith("/setting-names.ts")),
  ...sourcesIn("src/lib/telemetry"),
]
  .map(({ text }) => withoutComments(text))
  .join("\n");
export const readSettings: readonly string[] = [
  ...new Set(
    code.match(/\b(?:AGENT|AZURE_SQL|AZURE_CLIENT|AZURE_TENANT|AZURE_KEY_VAULT|APPLICATIONINSIGHTS)_[A-Z_]*[A-Z]\b/g),
  ),
].sort();
/** Those of infra/app-settings.json, which parameters may replace. */
export const defaults: Readonly<Record<string, string>> = z
  .record(z.string(), z.string())
  .parse(JSON.parse(readSource("infra/app-settings.json").text));

const configuration = /resource configuration[\s\S]*?\n {2}\}/.exec(
  readSource("infra/modules/functions.bicep").text,
)?.[0];

/** Those that follow from other resources, and the host's. */
export const ownSettings: readonly string[] = [...(configuration ?? "").matchAll(/^ +([A-Z]\w+):/gm)].map(
  ([, name]) => name ?? "",
);

export const settingsOfTemplate: readonly string[] = [...Object.keys(defaults), ...ownSettings];
