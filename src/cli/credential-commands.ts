import type { Command } from "commander";
import { counted } from "../lib/model/counted.ts";
import { type Credential, ENROLLED_ROLES, ISSUED_KINDS, type IssuedKind } from "../lib/model/credential.ts";
import { endOf } from "../lib/model/credential-end.ts";
import type { Context, Runner } from "./context.ts";
import { UsageError } from "./exit-codes.ts";
import { type PageOptions, page, withPage } from "./list.ts";
import { given, oneOf, toList, toNumber } from "./options.ts";
import { type Column, properties } from "./table.ts";

const DAY_SECONDS = 86_400;

/** What a credential is for: the agent, or where there are several which ones. */
function whoseOf(credential: Credential): string {
  switch (credential.kind) {
    case "token":
    case "certificate":
      return credential.agentId;
    case "enrolment":
      return `${credential.agentIdPrefix}* (${credential.usesLeft}/${credential.maxUses})`;
    case "principal":
      return credential.agentIdPrefix === undefined
        ? (credential.agentIds ?? []).join(",")
        : `${credential.agentIdPrefix}*`;
  }
}

function endText(credential: Credential): string {
  if (credential.revokedAt !== undefined) return `revoked ${credential.revokedAt}`;
  const end = endOf(credential);
  return Number.isFinite(end) ? new Date(end).toISOString() : "never";
}

const COLUMNS: readonly Column<Credential>[] = [
  { title: "credential", value: (credential) => credential.credentialId },
  { title: "kind", value: (credential) => credential.kind },
  { title: "agents", value: whoseOf },
  { title: "ends", value: endText, time: true },
  { title: "last used", value: (credential) => credential.lastUsedAt, time: true },
  { title: "created", value: (credential) => credential.createdAt, time: true },
  { title: "by", value: (credential) => credential.createdBy },
  { title: "label", value: (credential) => credential.label, text: true },
];

/** Seconds of so many days, for terms. */
export function daysToSeconds(days: number | undefined): number | undefined {
  return days === undefined ? undefined : days * DAY_SECONDS;
}

/** A secret with what to do with it; it is printed here and kept nowhere. */
export function showSecret(title: string, credential: Credential, secret: string): string {
  const ends = credential.expiresAt === undefined ? "" : `, valid until ${credential.expiresAt}`;
  return `${title} (${credential.credentialId}${ends}):

${secret}

It is shown this once. Keep it where only its owner can read it, and give it to the client or the command line as
AGENT_COMMUNICATION_TOKEN, or in the file of AGENT_COMMUNICATION_TOKEN_FILE, where it is renewed before it expires.`;
}

type Body = Parameters<Context["client"]["issueCredential"]>[0];

/** Issues, and prints the secret where there is one. */
async function issue({ client, print }: Context, body: Body, title: string): Promise<void> {
  const reply = await client.issueCredential(body);
  print(reply, ({ credential, secret }, view) =>
    secret === undefined ? properties(credential, view) : showSecret(title, credential, secret),
  );
}

/** credentials: list, issue, enrol, bind-principal, bind-certificate, revoke. */
export function addCredentialCommands(program: Command, runner: Runner): void {
  const credentials = program.command("credentials").description("manage tokens, enrolment keys and bindings");

  withPage(credentials.command("list").description("list credentials, newest first, without secrets"))
    .option("--agent <id>", "only tokens and certificates of this agent")
    .addOption(oneOf("--kind <kind>", ISSUED_KINDS))
    .action((options: PageOptions & { agent?: string; kind?: IssuedKind }, command: Command) =>
      runner.run(command, async ({ client, print }) => {
        const { agent: agentId, kind, limit, cursor } = options;
        const reply = await client.listCredentials({ agentId, kind, limit, cursor });
        print(reply, ({ credentials: rows, nextCursor }, view) => page(COLUMNS, rows, nextCursor, view));
      }),
    );

  addIssue(credentials, runner);
  addEnrol(credentials, runner);
  addBindings(credentials, runner);

  credentials
    .command("revoke <credentialId>")
    .description("revoke a credential permanently; takes effect everywhere within 5 s")
    .action((credentialId: string, _options: object, command: Command) =>
      runner.run(command, async ({ client, print }) => print(await client.revokeCredential(credentialId), properties)),
    );
}

interface BoundOptions {
  capabilities?: string[];
  maxConcurrentTasks?: number;
  idleDays?: number;
  label?: string;
}

interface TermOptions extends BoundOptions {
  expiresInDays?: number;
}

/** What every credential may have. */
function withBounds(command: Command, idle: string): Command {
  return command
    .option(
      "--capabilities <list>",
      "capabilities that may be registered with it, as name or prefix*, separated by commas (default: no bound)",
      toList,
    )
    .option(
      "--max-concurrent-tasks <n>",
      "the highest limit of tasks that may be registered with it (default: no bound)",
      toNumber,
    )
    .option("--idle-days <n>", idle, toNumber)
    .option("--label <text>", "for lists");
}

function boundsOf({ capabilities, maxConcurrentTasks, idleDays, label }: BoundOptions) {
  return given({ capabilities, maxConcurrentTasks, idleDays, label });
}

const IDLE = "end it after this many days without use (default: never)";

function addIssue(credentials: Command, runner: Runner): void {
  withBounds(credentials.command("issue <agentId>"), IDLE)
    .description("issue a token for an agent; its earlier tokens stay valid")
    .option("--expires-in-days <n>", "days until it expires (default: never)", toNumber)
    .action((agentId: string, options: TermOptions, command: Command) =>
      runner.run(command, (context) => {
        const term = given({ expiresInSeconds: daysToSeconds(options.expiresInDays) });
        return issue(context, { kind: "token", agentId, ...term, ...boundsOf(options) }, `${agentId} has a token`);
      }),
    );
}

interface EnrolOptions extends TermOptions {
  prefix: string;
  roles: string[];
  maxUses: number;
  tokenExpiresInDays?: number;
}

type EnrolledRole = (typeof ENROLLED_ROLES)[number];

function addEnrol(credentials: Command, runner: Runner): void {
  withBounds(credentials.command("enrol"), "end its tokens after this many days without use (default: 90)")
    .description("issue an enrolment key, with which new agents register and get their own tokens")
    .requiredOption("--prefix <prefix>", "prefix of the agent ids")
    .option("--roles <list>", `of ${ENROLLED_ROLES.join(", ")}`, toList, ["worker"])
    .option("--max-uses <n>", "how many agents it can register", toNumber, 1)
    .option("--expires-in-days <n>", "days until the key expires", toNumber, 1)
    .option("--token-expires-in-days <n>", "days until its tokens expire (default: never)", toNumber)
    .action((options: EnrolOptions, command: Command) =>
      runner.run(command, (context) => {
        const { prefix, roles, maxUses, expiresInDays = 1, tokenExpiresInDays } = options;
        // Whatever roles were given: the service says precisely which there are.
        const asked = { roles: roles as EnrolledRole[], agentIdPrefix: prefix, maxUses, ...boundsOf(options) };
        const terms = {
          expiresInSeconds: expiresInDays * DAY_SECONDS,
          ...given({ expiresInDays: tokenExpiresInDays }),
        };
        const body = { kind: "enrolment" as const, ...asked, ...terms };
        return issue(context, body, `An enrolment key for ${counted(maxUses, "agent")} named ${prefix}…`);
      }),
    );
}

function addBindings(credentials: Command, runner: Runner): void {
  withBounds(credentials.command("bind-principal <objectId>"), IDLE)
    .description("let an Entra ID service principal act as one or more agents")
    .option("--agents <list>", "agent ids, separated by commas", toList)
    .option("--prefix <prefix>", "prefix of the agent ids")
    .action((objectId: string, options: BoundOptions & { agents?: string[]; prefix?: string }, command: Command) =>
      runner.run(command, (context) => {
        const { agents, prefix } = options;
        if ((agents === undefined) === (prefix === undefined)) throw new UsageError("Give --agents or --prefix.");
        const body = { ...given({ agentIds: agents, agentIdPrefix: prefix }), ...boundsOf(options) };
        return issue(context, { kind: "principal", objectId, ...body }, "");
      }),
    );

  withBounds(credentials.command("bind-certificate <agentId>"), IDLE)
    .description("let the holder of a client certificate act as an agent")
    .option("--thumbprint <hex>", "SHA-256 of the certificate, as openssl x509 -fingerprint -sha256 prints it")
    .option("--subject <name>", "distinguished name (RFC 4514)")
    .action((agentId: string, options: BoundOptions & { thumbprint?: string; subject?: string }, command: Command) =>
      runner.run(command, (context) => {
        const { thumbprint, subject } = options;
        if ((thumbprint === undefined) === (subject === undefined)) {
          throw new UsageError("Give --thumbprint or --subject.");
        }
        const body = { ...given({ thumbprint: thumbprint?.replaceAll(":", ""), subject }), ...boundsOf(options) };
        return issue(context, { kind: "certificate", agentId, ...body }, "");
      }),
    );
}
