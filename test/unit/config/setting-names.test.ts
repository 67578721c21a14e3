import { describe, expect, it } from "@jest/globals";
import { readConfig } from "../../../src/lib/config/config.ts";
import { OTHER_NAMES, SERVICE_SETTINGS } from "../../../src/lib/config/setting-names.ts";
import { type LocalHost, spawnHost, startLocalHost } from "../../hosts/http/local-host.ts";
import { sourcesIn, withoutComments } from "../../static/style/sources.ts";

/** What was meant as a setting is not left out in silence. */

function refusal(environment: Record<string, string>): string {
  try {
    readConfig(environment);
    return "";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const NAME = /\b(?:AGENT|AZURE_SQL|AZURE_CLIENT|AZURE_TENANT|AZURE_KEY_VAULT|APPLICATIONINSIGHTS)_[A-Z_]*[A-Z]\b/g;
const namesIn = (sources: { text: string }[]) => sources.flatMap(({ text }) => withoutComments(text).match(NAME) ?? []);

describe("the known names", () => {
  it("are those that the source reads", () => {
    const read = new Set(
      namesIn(sourcesIn("src/lib/config").filter(({ path }) => !path.endsWith("/setting-names.ts"))),
    );
    // Beginnings of names, and names that are put together.
    for (const part of ["AZURE_SQL_PASSWORD_SECRET"]) expect(read).toContain(part);
    expect([...SERVICE_SETTINGS].sort()).toEqual([...read].sort());
  });

  it("include what the command line and the demo read", () => {
    const read = namesIn([...sourcesIn("src/cli"), ...sourcesIn("demo")]).filter((name) =>
      /_(?:COMMUNICATION|DEMO)_/.test(name),
    );
    expect(read.filter((name) => ![...SERVICE_SETTINGS, ...OTHER_NAMES].includes(name))).toEqual([]);
  });
});

describe("a misspelt setting is refused by name", () => {
  it.each([
    ["AGENT_HTTP_PROT", "AGENT_HTTP_PORT"],
    ["AGENT_HTTPPORT", "AGENT_HTTP_PORT"],
    ["agent_http_port", "AGENT_HTTP_PORT"],
    ["Agent_Http_Port", "AGENT_HTTP_PORT"],
    ["AGENT__HTTP_PORT", "AGENT_HTTP_PORT"],
    ["AGNT_HTTP_PORT", "AGENT_HTTP_PORT"],
    ["AGENTS_HTTP_PORT", "AGENT_HTTP_PORT"],
    ["AGENT_MAX_MAILBOKS", "AGENT_MAX_MAILBOX"],
    ["AGENT_MAX_RETRY", undefined],
    // Two letters too few or too many, at either end; the third is one too many.
    ["AGENT_HTTP_PO", "AGENT_HTTP_PORT"],
    ["AGENT_HTTP_P", undefined],
    ["AGENT_HTTP_PORTAL", "AGENT_HTTP_PORT"],
    ["AGENT_HTTP_PORTALS", undefined],
    ["ENT_HTTP_PORT", "AGENT_HTTP_PORT"],
    ["ENT_HTTP_PROT", undefined],
    ["AGENT_MAX_RETRIE", "AGENT_MAX_RETRIES"],
    ["AGENT_AUTHMODE", "AGENT_AUTH_MODE"],
    ["AGENT_AUDIT_MESSAGE", "AGENT_AUDIT_MESSAGES"],
    ["AGENT_RATE_LIMIT_PER_CREDENTIALS", "AGENT_RATE_LIMIT_PER_CREDENTIAL"],
    ["AGENT_COMUNICATION_MODE", "AGENT_COMMUNICATION_MODE"],
    ["AZURE_KEYVAULT_URL", "AZURE_KEY_VAULT_URL"],
    ["APPLICATIONINSIGHTS_CONNECTIONSTRING", "APPLICATIONINSIGHTS_CONNECTION_STRING"],
  ])("%s: did you mean %s?", (name, setting) => {
    const expected = setting === undefined ? "" : `bad settings: ${name}: is not a setting; did you mean ${setting}?`;
    expect(refusal({ [name]: "7" })).toBe(expected);
    expect(refusal({ [name]: "" })).toBe("");
  });

  it("with all others at once", () => {
    const message = refusal({ AGENT_HTTP_PROT: "1", AGENT_MAX_MAILBOKS: "2", AGENT_MAX_RETRIES: "-1" });
    for (const name of ["AGENT_HTTP_PROT", "AGENT_MAX_MAILBOKS", "AGENT_MAX_RETRIES"]) expect(message).toContain(name);
  });

  it("of Azure: where it is read and the right one is missing", () => {
    const sql = { AGENT_COMMUNICATION_MODE: "sql", AZURE_SQL_SERVER: "db.example.net", AZURE_SQL_DATABASE: "agents" };
    expect(refusal({ ...sql, AZURE_SQL_USER_NAME: "a" })).toContain("did you mean AZURE_SQL_USERNAME?");
    expect(refusal({ AZURE_SQL_USER_NAME: "a", AZURE_CLIENTID: "b" })).toBe("");
    expect(refusal({ AZURE_KEYVAULT_URL: "https://a.example", AZURE_KEY_VAULT_URL: "https://b.vault.azure.net" })).toBe(
      "",
    );
  });

  it("and no known name is taken for a misspelling of another", () => {
    for (const name of [...SERVICE_SETTINGS, ...OTHER_NAMES])
      expect(refusal({ [name]: "x" })).not.toContain("did you mean");
  });
});

describe("other names with our prefix", () => {
  const ofBuildAgents = [
    "AGENT_NAME",
    "AGENT_OS",
    "AGENT_VERSION",
    "AGENT_WORKFOLDER",
    "AGENT_TEMPDIRECTORY",
    "AGENT_JOBSTATUS",
  ];

  it("are left alone when they belong to other software", () => {
    const environment = Object.fromEntries(ofBuildAgents.map((name) => [name, "x"]));
    expect(readConfig(environment).unknownSettings).toEqual([...ofBuildAgents].sort());
    expect(readConfig({ AGENT_COMMUNICATION_URL: "http://x", PATH: "/bin", agent_x: "1" }).unknownSettings).toEqual([]);
  });

  it("are one line of the log at the start, without their values", async () => {
    const host: LocalHost = await startLocalHost({ AGENT_NAME: "secret-builder", AGENT_OS: "Linux" });
    await host.stop();
    const lines = host
      .stderr()
      .split("\n")
      .filter((line) => line.includes("AGENT_"));
    expect(lines.map((line) => JSON.parse(line))).toEqual([expect.objectContaining({ names: "AGENT_NAME, AGENT_OS" })]);
    expect(host.stderr()).not.toContain("secret-builder");
  });

  it("but a misspelt one ends the process, in one line that names it", async () => {
    const { code } = await (async () => {
      const host = spawnHost({ AGENT_HTTP_PROT: "7071", AGENT_HTTP_PORT: "0", AGENT_MOCK_DATABASE: ":memory:" });
      const ended = await host.ended;
      expect(host.stderr()).toMatch(
        /^agent-communication: bad settings: AGENT_HTTP_PROT: is not a setting; did you mean AGENT_HTTP_PORT\?\n$/,
      );
      return ended;
    })();
    expect(code).toBe(1);
  });
});

describe("the heartbeat timeout", () => {
  it("is no shorter than the interval: an agent that keeps to it would be inactive between two heartbeats", () => {
    expect(refusal({ AGENT_HEARTBEAT_TIMEOUT: "29" })).toBe(
      "bad settings: AGENT_HEARTBEAT_TIMEOUT: must be at least AGENT_HEARTBEAT_INTERVAL, 30 s",
    );
    expect(refusal({ AGENT_HEARTBEAT_TIMEOUT: "59.9", AGENT_HEARTBEAT_INTERVAL: "60" })).toContain(
      "AGENT_HEARTBEAT_TIMEOUT",
    );
    expect(refusal({ AGENT_HEARTBEAT_TIMEOUT: "30" })).toBe("");
    expect(refusal({ AGENT_HEARTBEAT_TIMEOUT: "5", AGENT_HEARTBEAT_INTERVAL: "1" })).toBe("");
  });
});
