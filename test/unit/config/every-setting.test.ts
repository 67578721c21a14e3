import { describe, expect, it } from "@jest/globals";
import { type Config, readConfig, storeSettings } from "../../../src/lib/config/config.ts";
import { SERVICE_SETTINGS } from "../../../src/lib/config/setting-names.ts";

/** Every setting reaches its own field, and nothing else; and what holds when it is left out. */

const DEFAULTS: Config = {
  mode: "mock",
  mockDatabase: ".data/agents.db",
  sql: undefined,
  encryption: { all: false, vaultSecret: undefined, keyFile: ".data/keys.jsonl" },
  httpHost: "127.0.0.1",
  httpPort: 7071,
  publicUrl: undefined,
  security: {
    authMode: "none",
    entra: undefined,
    tls: undefined,
    clientCertificates: undefined,
    limits: { perCredential: 500, perSource: 1_000, badCredentialsPerSource: 30 },
    trustedProxies: 0,
  },
  defaultTimeoutSeconds: 300,
  maxRetries: 3,
  maxTaskDepth: 8,
  maxTasksPerRoot: 1_000,
  heartbeatIntervalSeconds: 30,
  heartbeatTimeoutSeconds: 90,
  maxMailbox: 100_000,
  sweepSchedule: "*/15 * * * * *",
  maintenanceSchedule: "0 0 3 * * *",
  messageRetentionDays: 7,
  deadLetterRetentionDays: 30,
  inactiveRetentionDays: 30,
  taskRetentionDays: 30,
  auditRetentionDays: 365,
  auditMessages: false,
  channelPolicy: "open",
  telemetry: undefined,
  unknownSettings: [],
};

/** The values of a tree by their path. */
function leaves(value: unknown, path = ""): [string, unknown][] {
  if (typeof value !== "object" || value === null) return [[path, value]];
  return Object.entries(value).flatMap(([name, part]) => leaves(part, path === "" ? name : `${path}.${name}`));
}

/** What of a configuration is another than in `base`, by path. */
function changes(config: Config, base: Config): Record<string, unknown> {
  const before = new Map(leaves(base));
  return Object.fromEntries(leaves(config).filter(([path, value]) => !Object.is(before.get(path), value)));
}

const required = { AGENT_AUTH_MODE: "required" };
const tls = { ...required, AGENT_TLS_CERTIFICATE_FILE: "/c.pem", AGENT_TLS_KEY_FILE: "/k.pem" };
const certificates = { ...tls, AGENT_CLIENT_CERTIFICATES: "tls", AGENT_CLIENT_CA_FILE: "/ca.pem" };
const entra = {
  ...required,
  AGENT_ENTRA_TENANT: "11111111-2222-3333-4444-555555555555",
  AGENT_ENTRA_AUDIENCE: "66666666-7777-8888-9999-000000000000",
};

/** The setting, a text for it, what it changes, and the other settings that it needs. */
const ROWS: [name: string, text: string, changed: Record<string, unknown>, needed?: Record<string, string>][] = [
  ["AGENT_MOCK_DATABASE", "/x/a.db", { mockDatabase: "/x/a.db", "encryption.keyFile": "/x/keys.jsonl" }],
  ["AGENT_HTTP_HOST", "localhost", { httpHost: "localhost" }],
  ["AGENT_HTTP_PORT", "0", { httpPort: 0 }],
  ["AGENT_PUBLIC_URL", "https://Agents.example:8443/", { publicUrl: "https://agents.example:8443" }],
  ["AGENT_AUTH_MODE", "required", { "security.authMode": "required" }],
  ["AGENT_DEFAULT_TIMEOUT", "301", { defaultTimeoutSeconds: 301 }],
  ["AGENT_MAX_RETRIES", "0", { maxRetries: 0 }],
  ["AGENT_MAX_TASK_DEPTH", "3", { maxTaskDepth: 3 }],
  ["AGENT_MAX_TASKS_PER_ROOT", "50", { maxTasksPerRoot: 50 }],
  ["AGENT_HEARTBEAT_INTERVAL", "7", { heartbeatIntervalSeconds: 7, heartbeatTimeoutSeconds: 21 }],
  ["AGENT_HEARTBEAT_TIMEOUT", "31", { heartbeatTimeoutSeconds: 31 }],
  ["AGENT_MAX_MAILBOX", "12", { maxMailbox: 12 }],
  ["AGENT_SWEEP_SCHEDULE", "*/5 * * * * *", { sweepSchedule: "*/5 * * * * *" }],
  ["AGENT_MAINTENANCE_SCHEDULE", "0 0 4 * * *", { maintenanceSchedule: "0 0 4 * * *" }],
  ["AGENT_MESSAGE_RETENTION_DAYS", "1.5", { messageRetentionDays: 1.5 }],
  ["AGENT_DEAD_LETTER_RETENTION_DAYS", "2", { deadLetterRetentionDays: 2 }],
  ["AGENT_INACTIVE_RETENTION_DAYS", "3", { inactiveRetentionDays: 3 }],
  ["AGENT_TASK_RETENTION_DAYS", "4", { taskRetentionDays: 4 }],
  ["AGENT_AUDIT_RETENTION_DAYS", "5", { auditRetentionDays: 5 }],
  ["AGENT_AUDIT_MESSAGES", "on", { auditMessages: true }],
  ["AGENT_CHANNEL_POLICY", "restricted", { channelPolicy: "restricted" }],
  ["AGENT_RATE_LIMIT_PER_CREDENTIAL", "6", { "security.limits.perCredential": 6 }],
  ["AGENT_RATE_LIMIT_PER_SOURCE", "7", { "security.limits.perSource": 7 }],
  ["AGENT_BAD_CREDENTIALS_PER_SOURCE", "8", { "security.limits.badCredentialsPerSource": 8 }],
  ["AGENT_TRUSTED_PROXIES", "2", { "security.trustedProxies": 2 }],
  ["AGENT_ENCRYPT", "all", { "encryption.all": true }],
  ["AGENT_KEY_FILE", "/k.jsonl", { "encryption.keyFile": "/k.jsonl" }],
  ["AGENT_TLS_CERTIFICATE_FILE", "/d.pem", { "security.tls.certificateFile": "/d.pem" }, tls],
  ["AGENT_TLS_KEY_FILE", "/l.pem", { "security.tls.keyFile": "/l.pem" }, tls],
  ["AGENT_CLIENT_CA_FILE", "/b.pem", { "security.clientCertificates.authorityFile": "/b.pem" }, certificates],
  ["AGENT_CLIENT_CRL_FILE", "/r.pem", { "security.clientCertificates.revocationFile": "/r.pem" }, certificates],
  [
    "AGENT_ENTRA_TENANT",
    "AAAAAAAA-2222-3333-4444-555555555555",
    { "security.entra.tenant": "aaaaaaaa-2222-3333-4444-555555555555" },
    entra,
  ],
  ["AGENT_ENTRA_AUDIENCE", "x", { "security.entra.audience": "x" }, entra],
  ["AGENT_ENTRA_AUTHORITY", "https://login.example", { "security.entra.authority": "https://login.example" }, entra],
];

/** Settings that turn several others on; their own tests are in security-settings, encryption-settings and sql-settings. */
const ELSEWHERE = ["AGENT_COMMUNICATION_MODE", "AGENT_CLIENT_CERTIFICATES", "AGENT_ENCRYPTION_SECRET"];

describe("every setting", () => {
  it("has its default", () => {
    expect(readConfig({})).toEqual(DEFAULTS);
  });

  it.each(ROWS)("%s=%s reaches its own field, and no other", (name, text, changed, needed = {}) => {
    const base = readConfig(needed);
    expect(changes(readConfig({ ...needed, [name]: text }), base)).toEqual(changed);
  });

  const numbers = ROWS.filter(([, text]) => /^[\d.]+$/.test(text)).map(([name]) => name);
  it.each(numbers)("%s is a number in decimal digits, and nothing that merely reads as one", (name) => {
    for (const text of ["0x10", "1e1", " 1", "1 ", "+1", "1_0", ".5", "true", "\u0661"]) {
      expect(() => readConfig({ [name]: text })).toThrow(
        new RegExp(`${name}: must be a (whole )?number in decimal digits`),
      );
    }
  });

  it("stands in this table", () => {
    const ours = SERVICE_SETTINGS.filter((name) => name.startsWith("AGENT_"));
    expect([...ROWS.map(([name]) => name), ...ELSEWHERE].sort()).toEqual([...ours].sort());
  });

  it("that a store needs reaches the store under its own name", () => {
    const numbers = Object.fromEntries(
      ROWS.filter(([, text]) => /^[\d.]+$/.test(text)).map(([name], index) => [name, String(100 + index)]),
    );
    const config = readConfig({
      ...numbers,
      AGENT_TRUSTED_PROXIES: "1",
      AGENT_MAX_RETRIES: "9",
      AGENT_AUDIT_MESSAGES: "on",
    });
    const settings = storeSettings(config);
    const own: Record<string, unknown> = { ...config };
    for (const [name, value] of Object.entries(settings)) expect([name, value]).toEqual([name, own[name]]);
    expect(new Set(Object.values(settings)).size).toBe(Object.keys(settings).length);
  });
});
