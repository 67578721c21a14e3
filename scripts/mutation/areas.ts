/** Which tests a mutant of which source meets. The first area that holds a file counts. */
export interface Area {
  /** A folder of the sources. */
  folder: string;
  /** Globs of tests, from the root. */
  tests: readonly string[];
}

const STORE = "test/contract/sqlite-verbs.ts";
const HTTP = "test/http/contract.test.ts";

export const areas: readonly Area[] = [
  {
    folder: "src/lib/store/sqlite",
    tests: [STORE, "test/store/{capability-sets,log-size,lost-file,reply-bytes}.test.ts"],
  },
  {
    folder: "src/lib/domain/messages/linear-pattern",
    tests: ["test/messages/{linear-pattern,json-schema}.test.ts"],
  },
  { folder: "src/lib/domain/messages", tests: ["test/messages/*.test.ts", HTTP] },
  {
    folder: "src/lib/domain/tasks",
    tests: ["test/tasks/*.test.ts", "test/security/{end-to-end,hostile-agents}.test.ts", HTTP],
  },
  { folder: "src/lib/domain/channels", tests: ["test/channels/*.test.ts", HTTP] },
  { folder: "src/lib/domain/audit", tests: ["test/security/audit-tampering.test.ts", HTTP] },
  {
    folder: "src/lib/domain/credentials",
    tests: [
      "test/security/{credential-registry,key-rotation,registration-bounds,cached-rights,required-gate,token}.test.ts",
      HTTP,
    ],
  },
  { folder: "src/lib/domain", tests: [HTTP, "test/security/hostile-agents.test.ts"] },
  {
    folder: "src/lib/security/certificates",
    tests: [
      "test/security/{client-certificates,forwarded-certificates,tls}.test.ts",
      "test/support/certificates.test.ts",
    ],
  },
  {
    folder: "src/lib/security",
    tests: [
      "test/security/{audit-tampering,cached-secret,entra-tokens,envelope,key-file,key-rotation,token,vault-keys,marked-run}.test.ts",
      "test/config/{encryption,security}-settings.test.ts",
    ],
  },
  {
    folder: "src/lib/http",
    tests: [
      "test/http/*.test.ts",
      "test/domain/bad-input.test.ts",
      "test/security/{access-walk,hostile-requests,hostile-agents,required-gate,limits}.test.ts",
      "test/local/timers.test.ts",
    ],
  },
  { folder: "src/client", tests: ["test/client/!(core-imports).test.ts"] },
  {
    folder: "src/lib/config",
    tests: ["test/config/*.test.ts", "test/telemetry/settings.test.ts", "test/mssql/connecting.test.ts"],
  },
];
