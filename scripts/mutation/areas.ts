/** The tests that run against mutants of a folder. A file belongs to the first area whose folder contains it. */
export interface Area {
  /** A folder of the sources. */
  folder: string;
  /** Globs of tests, from the root. */
  tests: readonly string[];
  /**
   * Files of tests that run the sources in a process of its own. Which mutants they reach is not seen: each mutant that the tests
   * above do not notice meets all of them, so they are few.
   */
  processes?: readonly string[];
}

const STORE = "test/contract/sqlite-verbs.ts";
const HTTP = "test/hosts/http/contract.test.ts";
const HOSTILE = "test/system/attacks/hostile-agents.test.ts";

export const areas: readonly Area[] = [
  {
    folder: "src/lib/store/sqlite",
    tests: [
      STORE,
      "test/unit/store/{capability-sets,log-size,reply-bytes}.test.ts",
      "test/unit/store/sqlite/*.test.ts",
      "test/system/processes/lost-file.test.ts",
    ],
  },
  {
    folder: "src/lib/domain/messages/linear-pattern",
    tests: ["test/unit/domain/{linear-pattern,json-schema}.test.ts"],
  },
  { folder: "src/lib/domain/messages", tests: ["test/unit/domain/*.test.ts"], processes: [HTTP] },
  { folder: "src/lib/domain/tasks", tests: ["test/unit/domain/*.test.ts"], processes: [HTTP, HOSTILE] },
  {
    folder: "src/lib/domain/channels",
    tests: ["test/unit/domain/{channel-policy,channel-waiting,recent-answers}.test.ts"],
    processes: [HTTP, "test/system/processes/competing-members.test.ts"],
  },
  {
    folder: "src/lib/domain/audit",
    tests: ["test/unit/security/audit-{chain,tampering,verification}.test.ts"],
    processes: [HTTP],
  },
  {
    folder: "src/lib/domain/credentials",
    tests: [
      "test/unit/security/{credential-cache,credential-registry,key-rotation,token}.test.ts",
      "test/system/attacks/{registration-bounds,cached-rights,required-gate}.test.ts",
    ],
    processes: [HTTP],
  },
  {
    folder: "src/lib/domain",
    tests: [
      "test/unit/domain/{printable,prometheus,system-monitor}.test.ts",
      "test/hosts/local/timers.test.ts",
      "test/system/attacks/limits.test.ts",
      "test/unit/security/key-rotation.test.ts",
    ],
    processes: [HTTP, HOSTILE, "test/unit/client/token-renewal.test.ts"],
  },
  {
    folder: "src/lib/security/certificates",
    tests: [
      "test/unit/security/{client-certificates,forwarded-certificates}.test.ts",
      "test/system/attacks/tls.test.ts",
      "test/support/certificates.test.ts",
    ],
  },
  {
    folder: "src/lib/security",
    tests: [
      "test/unit/security/{audit-chain,audit-tampering,azure-credential,cached-secret,content-encryption,entra-tokens,envelope,key-file,key-rotation,key-vault,token,vault-keys}.test.ts",
      "test/unit/config/{encryption,security}-settings.test.ts",
      "test/unit/store/mssql/connecting.test.ts",
    ],
    processes: ["test/system/attacks/marked-run.test.ts"],
  },
  {
    folder: "src/lib/gates",
    tests: [
      "test/unit/security/{rate-limiter,refusal-counter,source,forwarded-certificates}.test.ts",
      "test/unit/gates/*.test.ts",
      "test/system/attacks/{access-walk,cached-rights,limits,own-lists,required-gate}.test.ts",
    ],
    processes: [HOSTILE],
  },
  {
    folder: "src/lib/http",
    tests: [
      "test/hosts/http/openapi.test.ts",
      "test/unit/http/*.test.ts",
      "test/unit/domain/bad-input.test.ts",
      "test/system/attacks/{access-walk,borrowed-identity,cached-rights,hostile-requests,limits,own-lists,required-gate}.test.ts",
      "test/hosts/local/{slow-clients,timers}.test.ts",
    ],
    processes: [HTTP, HOSTILE, "test/hosts/local/every-address.test.ts", "test/hosts/local/broken-http.test.ts"],
  },
  {
    folder: "src/client",
    tests: ["test/unit/client/!(core-imports|hostile-handlers|worker-process).test.ts"],
    processes: ["test/unit/client/hostile-handlers.test.ts", "test/unit/client/worker-process.test.ts"],
  },
  {
    folder: "src/lib/config",
    tests: [
      "test/unit/config/!(setting-names).test.ts",
      "test/unit/telemetry/settings.test.ts",
      "test/unit/store/mssql/connecting.test.ts",
    ],
    processes: ["test/unit/config/setting-names.test.ts"],
  },
];
