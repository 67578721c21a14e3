import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, describe, expect, it } from "@jest/globals";
import { ensureEncryptionKey } from "../../../scripts/deploy/encryption-key.ts";
import { bindFirstAdmin } from "../../../scripts/deploy/first-admin.ts";
import { addressIn } from "../../../scripts/deploy/own-address.ts";
import { readConfig } from "../../../src/lib/config/config.ts";
import { AgentRegistry } from "../../../src/lib/domain/agents/agent-registry.ts";
import { CredentialRegistry } from "../../../src/lib/domain/credentials/credential-registry.ts";
import { openStore } from "../../../src/lib/store/open-store.ts";
import { startLocalHost } from "../../support/local-host.ts";
import { runFile } from "../../support/run-process.ts";
import { ROOT, readSource } from "../style/sources.ts";
import { type Answer, FakeAzureCli } from "./fake-azure-cli.ts";

/** The scripts of a deployment, as processes, with an `az` that only answers. */

const OUTPUTS = {
  AZURE_RESOURCE_GROUP: "rg-agents-test",
  API_URL: "https://func-agents-test.azurewebsites.net/api",
  FUNCTION_APP_NAME: "func-agents-test",
  // Nothing listens there, so that the database cannot be reached; set by the tests that want more.
  AZURE_SQL_SERVER: "127.0.0.1",
  AZURE_SQL_DATABASE: "agents",
  AZURE_KEY_VAULT_URL: "https://kvagentstest.vault.azure.net/",
  APP_IDENTITY_NAME: "id-agents-test-app",
  APP_IDENTITY_CLIENT_ID: "40000000-0000-0000-0000-000000000004",
  SQL_ADMINISTRATOR_GROUP_ID: "30000000-0000-0000-0000-000000000003",
  MIGRATOR_PRINCIPAL_ID: "50000000-0000-0000-0000-000000000005",
  PRIVATE_NETWORKING: "false",
};
const PRIVATE = {
  ...OUTPUTS,
  PRIVATE_NETWORKING: "true",
  CONTAINER_REGISTRY_NAME: "cragentstest",
  MIGRATION_JOB_NAME: "caj-test",
};
/** The server is this machine, which needs no Entra ID to refuse us. */
const LOCAL_SQL = {
  AZURE_SQL_TEST_SERVER: "on",
  AZURE_SQL_USERNAME: "sa",
  AZURE_SQL_PASSWORD: "not-a-password",
  DEVELOPER_ADDRESS: "192.0.2.7",
};

const OPENED = [
  "sql server firewall-rule create --resource-group rg-agents-test --server 127 --name temporary-deployment --start-ip-address 192.0.2.7 --end-ip-address 192.0.2.7",
  "keyvault network-rule add --resource-group rg-agents-test --name kvagentstest --ip-address 192.0.2.7",
];
const CLOSED = [
  "sql server firewall-rule delete --resource-group rg-agents-test --server 127 --name temporary-deployment",
  "keyvault network-rule remove --resource-group rg-agents-test --name kvagentstest --ip-address 192.0.2.7",
];

const azures: FakeAzureCli[] = [];
function azure(answers: readonly Answer[] = []): FakeAzureCli {
  const made = new FakeAzureCli(answers);
  azures.push(made);
  return made;
}
afterEach(() => {
  for (const made of azures.splice(0)) made.remove();
});

function script(name: string, cli: FakeAzureCli, environment: Record<string, string>, ...args: string[]) {
  return runFile(`scripts/deploy/${name}.ts`, args, { environment: { ...environment, ...cli.environment } });
}

describe("preparing the database in the network", () => {
  const member: Answer = { to: "group member check", print: ["true"] };
  const started: Answer = { to: "job start", print: ["caj-test-abc"] };
  const poll = { PREPARE_POLL_MILLISECONDS: "10", GITHUB_SHA: "0123abc" };

  it("builds the image, points the job at it, starts it and waits for its end", async () => {
    const cli = azure([member, started, { to: "execution show", print: ["Running", "Running", "Succeeded"] }]);
    const { code, out } = await script("prepare", cli, { ...PRIVATE, ...poll });
    expect(out).toContain("caj-test-abc succeeded");
    expect(code).toBe(0);
    const job = "--resource-group rg-agents-test --name caj-test";
    expect(cli.asked.map((line) => line.replace(ROOT, "").replace(/\/$/, "").trim())).toEqual([
      "ad group member check --group 30000000-0000-0000-0000-000000000003 --member-id 50000000-0000-0000-0000-000000000005 --query value --output tsv",
      expect.stringMatching(
        /^acr build --registry cragentstest --image prepare:0123abc --file scripts\/deploy\/Dockerfile/,
      ),
      `containerapp job update ${job} --container-name prepare --image cragentstest.azurecr.io/prepare:0123abc`,
      `containerapp job start ${job} --query name --output tsv`,
      ...Array(3).fill(
        `containerapp job execution show ${job} --job-execution-name caj-test-abc --query properties.status --output tsv`,
      ),
    ]);
  });

  it("shows the job's log and fails when it fails", async () => {
    const cli = azure([
      member,
      started,
      { to: "execution show", print: ["Failed"] },
      { to: "logs show", print: ["prepare-database: the server says no"] },
    ]);
    const { code, out, error } = await script("prepare", cli, { ...PRIVATE, ...poll });
    expect(code).toBe(1);
    expect(out).toContain("the server says no");
    expect(error).toContain("caj-test-abc Failed");
  });

  it("puts the migrator into the group, or says who has to", async () => {
    const done = { to: "execution show", print: ["Succeeded"] };
    const adding = azure([{ to: "member check", print: ["false"] }, started, done]);
    expect((await script("prepare", adding, { ...PRIVATE, ...poll })).code).toBe(0);
    expect(adding.asked[1]).toBe(
      "ad group member add --group 30000000-0000-0000-0000-000000000003 --member-id 50000000-0000-0000-0000-000000000005",
    );
    const refused = azure([{ to: "member check", code: 1 }, started, done]);
    const { code, error } = await script("prepare", refused, { ...PRIVATE, ...poll });
    expect(code).toBe(0);
    expect(error).toContain("an owner of the group does it once: az ad group member add --group 30000000");
  });

  it("does not start what could not be built", async () => {
    const cli = azure([member, { to: "acr build", code: 1 }]);
    const { code, error } = await script("prepare", cli, { ...PRIVATE, ...poll });
    expect(code).toBe(1);
    expect(error).toContain("acr build");
    expect(cli.asked.filter((line) => line.includes("containerapp"))).toEqual([]);
  });
});

describe("preparing the database from outside", () => {
  it("closes the firewall after a failure", async () => {
    const cli = azure();
    const { code, error } = await script("prepare", cli, { ...OUTPUTS, ...LOCAL_SQL, AZURE_SQL_PORT: "1" });
    expect(code).toBe(1);
    expect(error).toContain("Failed to connect");
    expect(cli.asked).toEqual([...OPENED, ...CLOSED]);
  });

  it("closes it when it could be opened only half", async () => {
    const cli = azure([{ to: "network-rule add", code: 1 }]);
    const { code, error } = await script("prepare", cli, { ...OUTPUTS, ...LOCAL_SQL, AZURE_SQL_PORT: "1" });
    expect(code).toBe(1);
    expect(error).toContain("network-rule add");
    expect(cli.asked).toEqual([...OPENED, ...CLOSED]);
  });

  it("says when it may still be open, and closes the rest", async () => {
    const cli = azure([{ to: "firewall-rule delete", code: 1 }]);
    const { code, error } = await script("prepare", cli, { ...OUTPUTS, ...LOCAL_SQL, AZURE_SQL_PORT: "1" });
    expect(code).toBe(1);
    expect(error).toContain("may still be open to 192.0.2.7");
    expect(cli.asked).toEqual([...OPENED, ...CLOSED]);
  });

  it.each(["SIGTERM", "SIGINT"] as const)("closes it when somebody ends it with %s", async (signal) => {
    // A server that accepts and says nothing.
    const silent = createServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    const connected = once(silent, "connection");
    const { port } = silent.address() as AddressInfo;
    const cli = azure();
    const child = spawn(process.execPath, [join(ROOT, "scripts/deploy/prepare.ts")], {
      env: {
        ...process.env,
        ...OUTPUTS,
        ...LOCAL_SQL,
        AZURE_SQL_PORT: String(port),
        AZURE_SQL_CONNECT_TIMEOUT: "60",
        ...cli.environment,
      },
      stdio: "ignore",
    });
    const gone = once(child, "exit");
    const [socket] = await connected;
    const ended = once(socket, "close");
    expect(cli.asked).toEqual(OPENED);
    child.kill(signal);
    await gone;
    expect(cli.asked).toEqual([...OPENED, ...CLOSED]);
    // What it had started is gone, too.
    socket.resume();
    await ended;
    silent.close();
    await once(silent, "close");
  });

  it("learns its own address from the server's refusal", () => {
    const refusal =
      "Cannot open server 'sql-agents-dev' requested by the login. Client with IP address '203.0.113.9' is not allowed to access the server.";
    expect(addressIn(refusal)).toBe("203.0.113.9");
    expect(addressIn("Login failed for user ''.")).toBeUndefined();
  });
});

describe("closing what may be open", () => {
  it("closes the rule and every address of the vault, where there are any", async () => {
    const cli = azure([
      { to: "firewall-rule list", print: ["developer\ntemporary-deployment"] },
      { to: "network-rule list", print: ["192.0.2.7/32"] },
    ]);
    expect((await script("close-access", cli, OUTPUTS)).code).toBe(0);
    expect(cli.asked.filter((line) => /delete|remove/.test(line))).toEqual([CLOSED[0], `${CLOSED[1]}/32`]);
    const nothing = azure([{ to: "list", print: [""] }]);
    expect((await script("close-access", nothing, OUTPUTS)).code).toBe(0);
    expect(nothing.asked).toHaveLength(2);
    const inside = azure();
    expect((await script("close-access", inside, PRIVATE)).code).toBe(0);
    expect(inside.asked).toEqual([]);
  });
});

describe("the outputs of a deployment", () => {
  const answer = {
    to: "deployment sub show --name agent-communication-prod",
    print: [
      JSON.stringify({
        apI_URL: { value: "https://x.example/api" },
        private_networking: { value: true },
        odd: { value: "it's" },
      }),
    ],
  };

  it("become variables of a shell", async () => {
    const { code, out } = await script("outputs", azure([answer]), {}, "prod");
    expect(code).toBe(0);
    expect(out).toBe(
      "export API_URL='https://x.example/api'\nexport PRIVATE_NETWORKING='true'\nexport ODD='it'\\''s'\n",
    );
  });

  it("are asked for by the name of the environment; what is missing is named", async () => {
    const cli = azure([answer]);
    const { code, error } = await script("prepare", cli, {}, "--environment", "prod");
    expect(code).toBe(1);
    expect(error).toContain("AZURE_RESOURCE_GROUP");
    expect(cli.asked).toHaveLength(1);
  });

  it("are told apart from none", async () => {
    expect((await script("outputs", azure(), {})).code).toBe(1);
    const { code, error } = await script("outputs", azure([{ to: "deployment sub show", code: 3 }]), {}, "none");
    expect(code).toBe(1);
    expect(error).toContain("refused");
  });
});

describe("deploying a package", () => {
  it("hands the archive to the app", async () => {
    const cli = azure();
    const { code } = await script("package", cli, OUTPUTS, "--package", "package.json");
    expect(code).toBe(0);
    expect(cli.asked).toEqual([
      "functionapp deployment source config-zip --resource-group rg-agents-test --name func-agents-test --src package.json",
    ]);
  });

  it("says how to make one that is not there", async () => {
    const cli = azure();
    const { code, error } = await script("package", cli, OUTPUTS, "--package", "out/none.zip");
    expect(code).toBe(1);
    expect(error).toContain("npm run package");
    expect(cli.asked).toEqual([]);
  });
});

describe("the smoke test", () => {
  it("sends, receives and completes a message, again and again", async () => {
    const host = await startLocalHost();
    try {
      for (let time = 0; time < 2; time++) {
        const { code, out } = await script("smoke", azure(), {}, "--url", host.baseUrl);
        expect(out).toContain("a message was sent, received and completed");
        expect(code).toBe(0);
      }
    } finally {
      await host.stop();
    }
  });

  it("asks where it is to look", async () => {
    const { code, error } = await script("smoke", azure(), {});
    expect(code).toBe(1);
    expect(error).toContain("--url");
  });
});

describe("the parameter file of azd", () => {
  it("is one of those that are there", async () => {
    const { code, error } = await script("choose-parameters", azure(), { AGENTS_PARAMETERS: "../main" });
    expect(code).toBe(1);
    expect(error).toContain("../main");
  });
});

describe("the first admin", () => {
  const objectId = "60000000-0000-4000-8000-000000000006";
  const openEmptyStore = () =>
    openStore(
      readConfig({ AGENT_MOCK_DATABASE: join(mkdtempSync(join(tmpdir(), "agent-communication-admin-")), "a.db") }),
    );

  it("is a principal that is let in as the agent admin; the second time changes nothing", async () => {
    const store = await openEmptyStore();
    expect(await bindFirstAdmin(store, objectId)).toBe("bound");
    expect(await bindFirstAdmin(store, objectId)).toBe("there already");
    const bound = await new CredentialRegistry({ store }).findPrincipal(objectId);
    expect(bound).toMatchObject({ agentIds: ["admin"] });
    const registry = new AgentRegistry({ store, heartbeatIntervalSeconds: 30 });
    expect(await registry.get("admin")).toMatchObject({ role: "admin" });
    await store.close();
  });

  it("is not an agent that somebody else has made", async () => {
    const store = await openEmptyStore();
    await new AgentRegistry({ store, heartbeatIntervalSeconds: 30 }).register({ agentId: "admin", role: "worker" });
    await expect(bindFirstAdmin(store, objectId)).rejects.toThrow("admin is a worker");
    await store.close();
  });
});

describe("the image of the migration job", () => {
  it("has all that the program asks for", async () => {
    const image = mkdtempSync(join(tmpdir(), "agent-communication-image-"));
    const copies = [...readSource("scripts/deploy/Dockerfile").text.matchAll(/^COPY (.+) (\S+)$/gm)];
    expect(copies.length).toBeGreaterThan(3);
    const ignored = readSource(".dockerignore").text;
    for (const [, sources = "", target = ""] of copies) {
      for (const source of sources.split(" ")) {
        expect(ignored).toContain(`!${source}`);
        const to = target.endsWith("/") ? join(image, target, basename(source)) : join(image, target);
        cpSync(join(ROOT, source), to, { recursive: true });
      }
    }
    symlinkSync(join(ROOT, "node_modules"), join(image, "node_modules"));
    // It gets as far as the server, which is not there.
    const child = spawnSync(process.execPath, ["scripts/deploy/prepare-database.ts"], {
      cwd: image,
      encoding: "utf8",
      env: { ...OUTPUTS, ...LOCAL_SQL, AZURE_SQL_PORT: "1" },
    });
    expect(child.stderr).toContain("Failed to connect to 127.0.0.1:1");
    expect(child.status).toBe(1);
    rmSync(image, { recursive: true });
  });

  it("has what is loaded late, too", () => {
    // openStore and the vault are reached only with a database; their files are all below src and beside the program.
    const program = readSource("scripts/deploy/prepare-database.ts").text;
    const own = [...program.matchAll(/from "\.\/([\w-]+\.ts)"/g)].map(([, file]) => `scripts/deploy/${file}`);
    const dockerfile = readSource("scripts/deploy/Dockerfile").text;
    expect(own.length).toBeGreaterThan(1);
    expect(own.filter((file) => !dockerfile.includes(file))).toEqual([]);
  });
});

describe("the first encryption key", () => {
  /** A vault of one secret, which answers `status` while it has none. */
  async function vault(status: number) {
    const secrets = new Map<string, string>();
    const asked: string[] = [];
    const server = createHttpServer(async (request, response) => {
      asked.push(`${request.method} ${request.url} ${request.headers.authorization}`);
      const path = request.url ?? "";
      let body = "";
      for await (const chunk of request) body += String(chunk);
      if (request.method === "PUT") secrets.set(path, body);
      const found = secrets.get(path);
      response.writeHead(found === undefined ? status : 200, { "content-type": "application/json" });
      response.end(found ?? "{}");
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const close = async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    };
    return { url: `http://127.0.0.1:${port}/`, secrets, asked, close };
  }
  const token = async () => "vault-token";

  it("is made when there is none, and left alone afterwards", async () => {
    const { url, secrets, asked, close } = await vault(404);
    expect(await ensureEncryptionKey(url, "a-key", token)).toBe("made");
    expect(await ensureEncryptionKey(url, "a-key", token)).toBe("there already");
    expect(asked).toEqual(
      ["GET", "PUT", "GET"].map((method) => `${method} /secrets/a-key?api-version=7.4 Bearer vault-token`),
    );
    const { value } = JSON.parse([...secrets.values()][0] ?? "{}");
    expect(Buffer.from(value, "base64")).toHaveLength(32);
    await close();
  });

  it("is not made where nobody may look", async () => {
    const { url, secrets, close } = await vault(403);
    await expect(ensureEncryptionKey(url, "a-key", token)).rejects.toThrow("answers 403");
    expect(secrets.size).toBe(0);
    await close();
  });
});
