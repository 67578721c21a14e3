import { describe, expect, it } from "@jest/globals";
import { ConfigError, readConfig } from "../../../src/lib/config/config.ts";
import type { SecuritySettings } from "../../../src/lib/config/security-settings.ts";

type Variables = Record<string, string>;

const SQL = { AGENT_COMMUNICATION_MODE: "sql", AZURE_SQL_SERVER: "db.example.net", AZURE_SQL_DATABASE: "agents" };
const AZURE = { WEBSITE_SITE_NAME: "agents" };
const CORE_TOOLS = { AZURE_FUNCTIONS_ENVIRONMENT: "Development", WEBSITE_HOSTNAME: "localhost:7071" };
const REQUIRED = { AGENT_AUTH_MODE: "required" };
const TENANT = "F0E1D2C3-0000-4000-8000-000000000001";
const ENTRA = { ...REQUIRED, AGENT_ENTRA_TENANT: TENANT, AGENT_ENTRA_AUDIENCE: "client-id" };
const TLS = { ...REQUIRED, AGENT_TLS_CERTIFICATE_FILE: "cert.pem", AGENT_TLS_KEY_FILE: "key.pem" };
const CERTIFICATES = { ...TLS, AGENT_CLIENT_CERTIFICATES: "tls", AGENT_CLIENT_CA_FILE: "ca.pem" };

function read(variables: Variables, underFunctions = false): SecuritySettings {
  return readConfig(variables, { underFunctions }).security;
}

function problemsOf(variables: Variables, underFunctions = false): string {
  try {
    readConfig(variables, { underFunctions });
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return "no problem";
}

describe("AGENT_AUTH_MODE", () => {
  it.each<[string, Variables, boolean, string]>([
    ["mode mock on loopback", {}, false, "none"],
    ["mode mock on another loopback address", { AGENT_HTTP_HOST: "127.0.0.2" }, false, "none"],
    ["mode mock under core tools", CORE_TOOLS, true, "none"],
    ["mode mock for everybody", { AGENT_HTTP_HOST: "0.0.0.0" }, false, "required"],
    ["mode mock under a Functions host that is not a developer's", {}, true, "required"],
    ["mode sql on loopback", SQL, false, "required"],
    ["mode sql on Azure", { ...SQL, ...AZURE }, true, "required"],
    ["mode sql on loopback, asked for", { ...SQL, AGENT_AUTH_MODE: "none" }, false, "none"],
    ["mode mock on loopback, asked for", REQUIRED, false, "required"],
  ])("in %s is %s", (_, variables, underFunctions, expected) => {
    expect(read(variables, underFunctions).authMode).toBe(expected);
  });

  it("is required by default on Azure, whatever AZURE_FUNCTIONS_ENVIRONMENT says, and its front end is a proxy", () => {
    const { authMode, trustedProxies } = read({ ...SQL, ...AZURE, ...CORE_TOOLS }, true);
    expect([authMode, trustedProxies]).toEqual(["required", 1]);
    expect(problemsOf({ ...AZURE, ...CORE_TOOLS }, true)).toContain("AGENT_COMMUNICATION_MODE");
  });

  it.each<[string, Variables, boolean]>([
    ["for everybody", { AGENT_HTTP_HOST: "0.0.0.0" }, false],
    ["for a name", { AGENT_HTTP_HOST: "agents.example" }, false],
    ["on Azure", { ...SQL, ...AZURE }, true],
    ["on Azure, by the local host", { ...SQL, ...AZURE }, false],
    ["under a Functions host that is not a developer's", {}, true],
    ["by a site that calls itself a developer's", { ...SQL, ...AZURE, ...CORE_TOOLS }, true],
    ["by an instance that calls itself a developer's", { ...SQL, WEBSITE_INSTANCE_ID: "1", ...CORE_TOOLS }, true],
    ["by a pod that calls itself a developer's", { ...SQL, WEBSITE_POD_NAME: "1", ...CORE_TOOLS }, true],
    ["under a public name", { ...SQL, ...CORE_TOOLS, WEBSITE_HOSTNAME: "agents.azurewebsites.net" }, true],
    ["by the local host on a site that calls itself a developer's", { ...SQL, ...AZURE, ...CORE_TOOLS }, false],
  ])("none is refused %s", (_, variables, underFunctions) => {
    expect(problemsOf({ ...variables, AGENT_AUTH_MODE: "none" }, underFunctions)).toContain(
      "AGENT_AUTH_MODE: none is only",
    );
  });
});

describe("settings of Entra ID", () => {
  it("have the public cloud's authority, and the tenant in lower case", () => {
    const authority = "https://login.microsoftonline.com";
    expect(read(ENTRA).entra).toEqual({ authority, tenant: TENANT.toLowerCase(), audience: "client-id" });
    expect(read(REQUIRED).entra).toBeUndefined();
  });

  it.each<[string, Variables, string]>([
    ["one without the other", { AGENT_ENTRA_AUDIENCE: "" }, "AGENT_ENTRA_TENANT, AGENT_ENTRA_AUDIENCE: "],
    ["a tenant by name", { AGENT_ENTRA_TENANT: "example.com" }, "AGENT_ENTRA_TENANT: "],
    ["any tenant", { AGENT_ENTRA_TENANT: "common" }, "AGENT_ENTRA_TENANT: "],
    ["an issuer in plain text", { AGENT_ENTRA_AUTHORITY: "http://login.example" }, "AGENT_ENTRA_AUTHORITY: "],
    ["an issuer with a path", { AGENT_ENTRA_AUTHORITY: "https://login.example/x" }, "AGENT_ENTRA_AUTHORITY: "],
    ["an issuer with a user", { AGENT_ENTRA_AUTHORITY: "https://a:b@login.example" }, "AGENT_ENTRA_AUTHORITY: "],
    ["no issuer", { AGENT_ENTRA_AUTHORITY: "somewhere" }, "AGENT_ENTRA_AUTHORITY: "],
    ["mode none", { AGENT_AUTH_MODE: "none" }, "AGENT_AUTH_MODE: none asks for no credential"],
  ])("do not allow %s", (_, variables, problem) => {
    expect(problemsOf({ ...ENTRA, ...variables })).toContain(problem);
  });

  it("allow plain text to a loopback address, for tests", () => {
    const variables = { ...ENTRA, AGENT_ENTRA_AUTHORITY: "http://127.0.0.1:8080/" };
    expect(read(variables).entra?.authority).toBe("http://127.0.0.1:8080");
  });
});

describe("settings of certificates", () => {
  it("are all taken", () => {
    expect(read({ ...CERTIFICATES, AGENT_CLIENT_CRL_FILE: "crl.pem" })).toMatchObject({
      tls: { certificateFile: "cert.pem", keyFile: "key.pem" },
      clientCertificates: { from: "tls", authorityFile: "ca.pem", revocationFile: "crl.pem" },
    });
    const platform = { ...SQL, ...AZURE, AGENT_CLIENT_CERTIFICATES: "platform", AGENT_CLIENT_CA_FILE: "ca.pem" };
    expect(read(platform, true).clientCertificates?.from).toBe("platform");
    expect(read({ AGENT_TLS_CERTIFICATE_FILE: "c", AGENT_TLS_KEY_FILE: "k" }).authMode).toBe("none");
  });

  it.each<[string, Variables, boolean, string]>([
    ["a certificate without its key", { AGENT_TLS_KEY_FILE: "" }, false, "AGENT_TLS_KEY_FILE: give both"],
    ["TLS under the Functions host", {}, true, "AGENT_TLS_CERTIFICATE_FILE: cannot be used under the Functions host"],
    ["no authority", { AGENT_CLIENT_CA_FILE: "" }, false, "AGENT_CLIENT_CA_FILE: "],
    ["an authority for nothing", { AGENT_CLIENT_CERTIFICATES: "off" }, false, "AGENT_CLIENT_CA_FILE"],
    ["platform without one", { AGENT_CLIENT_CERTIFICATES: "platform" }, false, "AGENT_CLIENT_CERTIFICATES: platform"],
    ["a handshake that is not ours", {}, true, "AGENT_CLIENT_CERTIFICATES: tls"],
    ["mode none", { AGENT_AUTH_MODE: "none" }, false, "AGENT_AUTH_MODE: none asks for no credential"],
  ])("do not allow %s", (_, variables, underFunctions, problem) => {
    expect(problemsOf({ ...CERTIFICATES, ...variables }, underFunctions)).toContain(problem);
  });
});

describe("limits", () => {
  it("are generous unless told otherwise; 0 takes one away", () => {
    expect(read({}).limits).toEqual({ perCredential: 500, perSource: 1_000, badCredentialsPerSource: 30 });
    expect(read({ AGENT_RATE_LIMIT_PER_SOURCE: "0" }).limits.perSource).toBe(0);
    expect(problemsOf({ AGENT_RATE_LIMIT_PER_CREDENTIAL: "-1" })).toContain("AGENT_RATE_LIMIT_PER_CREDENTIAL: ");
  });

  it("trust one proxy on Azure, none elsewhere", () => {
    expect(read({}).trustedProxies).toBe(0);
    expect(read(CORE_TOOLS, true).trustedProxies).toBe(0);
    expect(read({ ...SQL, ...AZURE }, true).trustedProxies).toBe(1);
    expect(read({ AGENT_TRUSTED_PROXIES: "2" }).trustedProxies).toBe(2);
  });
});
