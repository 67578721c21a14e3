import type { Command } from "commander";
import type { AgentClient } from "../client/agent-client.ts";
import { type AuditSource, type Verification, verifyAudit } from "../lib/domain/audit/audit-verification.ts";
import {
  AUDIT_ACTIONS,
  AUDIT_SUBJECT_KINDS,
  type AuditAction,
  type AuditDigest,
  type AuditEntry,
  type AuditSubjectKind,
  auditDigestSchema,
} from "../lib/model/audit.ts";
import { counted } from "../lib/model/counted.ts";
import type { Runner, Terminal } from "./context.ts";
import { EXIT, UsageError } from "./exit-codes.ts";
import { type PageOptions, page, withPage } from "./list.ts";
import { oneOf, readText, toCount } from "./options.ts";
import { type Column, properties } from "./table.ts";

const COLUMNS: readonly Column<AuditEntry>[] = [
  { title: "no", value: (entry) => entry.entryNo, right: true },
  { title: "at", value: (entry) => entry.at },
  { title: "actor", value: (entry) => entry.actor },
  { title: "action", value: (entry) => entry.action },
  { title: "subject", value: (entry) => `${entry.subjectKind} ${entry.subjectId}` },
  { title: "detail", value: (entry) => entry.detail, text: true },
];

interface ListOptions extends PageOptions {
  actor?: string;
  action?: AuditAction;
  subjectKind?: AuditSubjectKind;
  subjectId?: string;
  from?: string;
  to?: string;
}

/** audit: list, digest, verify. */
export function addAuditCommands(program: Command, runner: Runner): void {
  const audit = program.command("audit").description("list, export and verify the audit");

  withPage(audit.command("list").description("list audit entries, newest first"))
    .option("--actor <agentId>", "the agent that acted; system for the switchboard itself")
    .addOption(oneOf("--action <action>", AUDIT_ACTIONS, "such as task.created"))
    .addOption(oneOf("--subject-kind <kind>", AUDIT_SUBJECT_KINDS))
    .option("--subject-id <id>", "id of the agent, task, message, … that the entry is about")
    .option("--from <time>", "at or after this time (ISO 8601)")
    .option("--to <time>", "before this time (ISO 8601)")
    .action((options: ListOptions, command: Command) =>
      runner.run(command, async ({ client, print }) => {
        print(await listEntries(client, options), ({ entries, nextCursor }, view) =>
          page(COLUMNS, entries, nextCursor, view),
        );
      }),
    );

  audit
    .command("digest")
    .description("print the hash of the newest block; keep it where it cannot be changed")
    .option("--out <file>", "write it to this file")
    .action(({ out }: { out?: string }, command: Command) =>
      runner.run(command, async ({ client, print, terminal }) => {
        const { at: _, retentionDays: __, unsealed: ___, ...digest } = await client.getAuditDigest();
        if (out === undefined) print(digest, properties);
        else await terminal.writeFile(out, `${JSON.stringify(digest, null, 2)}\n`);
      }),
    );

  audit
    .command("verify")
    .description(
      "verify every hash; exit code 1 when an entry was changed, is missing, was inserted or was dropped too early",
    )
    .option("--digest <file>", "an exported digest: start at its block and check that the block is unchanged")
    .option("--all", "with --digest: start at the first block; also check blocks that retention has emptied")
    .option(
      "--retention-days <n>",
      "how long entries are kept at least (default: the setting of the service)",
      toCount(36_500),
    )
    .action((options: { digest?: string; all?: boolean; retentionDays?: number }, command: Command) =>
      runner.run(command, async ({ client, print, terminal }) => {
        const digest = options.digest === undefined ? undefined : await readDigest(terminal, options.digest);
        const { retentionDays, ...known } = await client.getAuditDigest();
        const state = { ...known, retentionDays: options.retentionDays ?? retentionDays };
        const verification = await verifyAudit(sourceOf(client), { state, digest, all: options.all });
        print(verification, describe);
        return verification.problems.length === 0 ? EXIT.OK : EXIT.REFUSED;
      }),
    );
}

/** The service looks at so many entries in one call; asked again until there are some, or none are left. */
async function listEntries(client: AgentClient, options: ListOptions) {
  for (let { cursor } = options; ; ) {
    const reply = await client.listAudit({ ...options, cursor });
    if (reply.entries.length > 0 || reply.nextCursor === null) return reply;
    cursor = reply.nextCursor;
  }
}

function sourceOf(client: AgentClient): AuditSource {
  return {
    async *blocksAfter(after) {
      let cursor: string | undefined;
      do {
        const { blocks, nextCursor } = await client.listAuditBlocks({ after, cursor, limit: 200 });
        yield* blocks;
        cursor = nextCursor ?? undefined;
      } while (cursor !== undefined);
    },
    contentsOf: (blockNo) => client.getAuditBlock(blockNo),
  };
}

async function readDigest(terminal: Terminal, path: string): Promise<AuditDigest> {
  const text = await readText(terminal, path, "--digest");
  try {
    return auditDigestSchema.parse(JSON.parse(text));
  } catch {
    throw new UsageError(`--digest: ${path} is not a digest of the audit.`);
  }
}

function describe({ blocks, entries, dropped, unsealed, newest, problems }: Verification): string {
  const emptied = dropped === 0 ? "" : `, ${dropped} of them dropped by retention`;
  const waiting =
    unsealed === undefined || unsealed.count === 0
      ? ""
      : `; not sealed yet, so not verified: ${counted(unsealed.count, "entry", "entries")}, the oldest of ${unsealed.oldestAt}`;
  const looked = `${counted(blocks, "block")}${emptied}; ${counted(entries, "entry", "entries")}; the newest block is ${newest.blockNo}, ${newest.hash}${waiting}`;
  const found = problems.map(({ blockNo, entryNo, problem }) =>
    entryNo === undefined ? `block ${blockNo}: ${problem}` : `block ${blockNo}, entry ${entryNo}: ${problem}`,
  );
  return problems.length === 0 ? `sound: ${looked}` : [...found, `NOT SOUND: ${looked}`].join("\n");
}
