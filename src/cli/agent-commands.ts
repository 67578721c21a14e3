import type { Command } from "commander";
import {
  AGENT_ROLES,
  AGENT_STATUSES,
  type Agent,
  type AgentRole,
  type AgentStatus,
  type DirectoryEntry,
} from "../lib/model/agent.ts";
import type { Runner } from "./context.ts";
import { type PageOptions, page, withPage } from "./list.ts";
import { given, oneOf, readJson, toList, toNumber } from "./options.ts";
import { type Column, properties } from "./table.ts";

const COLUMNS: readonly Column<Agent>[] = [
  { title: "agent", value: (agent) => agent.agentId },
  { title: "role", value: (agent) => agent.role },
  { title: "status", value: (agent) => agent.status },
  { title: "tasks", value: (agent) => `${agent.activeTasks}/${agent.maxConcurrentTasks}`, right: true },
  { title: "done", value: (agent) => agent.performance.completed, right: true },
  { title: "failed", value: (agent) => agent.performance.failed, right: true },
  { title: "lost", value: (agent) => agent.performance.lost, right: true },
  { title: "last heartbeat", value: (agent) => agent.lastHeartbeatAt, time: true },
  { title: "capabilities", value: (agent) => agent.capabilities.join(","), text: true },
];

const DIRECTORY: readonly Column<DirectoryEntry>[] = [
  { title: "agent", value: (agent) => agent.agentId },
  { title: "role", value: (agent) => agent.role },
  { title: "status", value: (agent) => agent.status },
  { title: "capabilities", value: (agent) => agent.capabilities.join(","), text: true },
];

/** agents: list, directory, show, register, deregister, heartbeat. */
export function addAgentCommands(program: Command, runner: Runner): void {
  const agents = program.command("agents").description("inspect and change registered agents");

  withPage(agents.command("list").description("list agents, ordered by id"))
    .addOption(oneOf("--role <role>", AGENT_ROLES))
    .option("--capability <capability>", "only agents that meet this requirement")
    .addOption(oneOf("--status <status>", AGENT_STATUSES))
    .action(
      (options: PageOptions & { role?: AgentRole; capability?: string; status?: AgentStatus }, command: Command) =>
        runner.run(command, async ({ client, print }) => {
          const query = { role: options.role, capability: options.capability, status: options.status };
          const reply = await client.listAgents({ ...query, limit: options.limit, cursor: options.cursor });
          print(reply, ({ agents: rows, nextCursor }, view) => page(COLUMNS, rows, nextCursor, view));
        }),
    );

  withPage(agents.command("directory").description("list the agents that the caller may write to, ordered by id"))
    .addOption(oneOf("--role <role>", AGENT_ROLES))
    .option("--capability <capability>", "only agents that meet this requirement")
    .action((options: PageOptions & { role?: AgentRole; capability?: string }, command: Command) =>
      runner.run(command, async ({ client, print }) => {
        const { role, capability, limit, cursor } = options;
        const reply = await client.listDirectory({ role, capability, limit, cursor });
        print(reply, ({ agents: rows, nextCursor }, view) => page(DIRECTORY, rows, nextCursor, view));
      }),
    );

  agents
    .command("show <agentId>")
    .description("show an agent with its performance")
    .action((agentId: string, _options: object, command: Command) =>
      runner.run(command, async ({ client, print }) => print(await client.getAgent(agentId), properties)),
    );

  addRegister(agents, runner);

  agents
    .command("deregister <agentId>")
    .description("deregister an agent; its tasks go to other agents")
    .action((agentId: string, _options: object, command: Command) =>
      runner.run(command, async ({ client, print }) => print(await client.deregisterAgent(agentId), properties)),
    );

  agents
    .command("heartbeat <agentId>")
    .description("send one heartbeat for an agent")
    .addOption(oneOf("--status <status>", ["active", "draining"]))
    .action((agentId: string, options: { status?: "active" | "draining" }, command: Command) =>
      runner.run(command, async ({ client, print }) =>
        print(await client.heartbeat(agentId, given({ status: options.status })), properties),
      ),
    );
}

interface RegisterOptions {
  role: AgentRole;
  capabilities?: string[];
  maxConcurrentTasks?: number;
  heartbeatTimeout?: number;
  metadata?: string;
}

function addRegister(agents: Command, runner: Runner): void {
  agents
    .command("register <agentId>")
    .description("create, update or reactivate an agent")
    .addOption(oneOf("--role <role>", AGENT_ROLES).default("worker"))
    .option("--capabilities <list>", "separated by commas", toList)
    .option("--max-concurrent-tasks <n>", "how many tasks it takes at once (default: 1)", toNumber)
    .option(
      "--heartbeat-timeout <seconds>",
      "silence after which it is inactive, 10 to 86400 (default: the service's)",
      toNumber,
    )
    .option("--metadata <json>", "a JSON object; @file, or - for standard input")
    .action((agentId: string, options: RegisterOptions, command: Command) =>
      runner.run(command, async ({ client, print, terminal }) => {
        const { role, capabilities, maxConcurrentTasks, heartbeatTimeout: heartbeatTimeoutSeconds, metadata } = options;
        const parsed = metadata === undefined ? undefined : await readJson(terminal, metadata, "--metadata");
        const reply = await client.call("POST /agents", {
          // Whatever JSON was given: the service says precisely what an object of metadata must be.
          body: {
            agentId,
            role,
            ...given({ capabilities, maxConcurrentTasks, heartbeatTimeoutSeconds, metadata: parsed as Metadata }),
          },
        });
        // With an enrolment key as the token, the agent's own comes along, this once.
        print(reply, ({ agent, token }, view) => properties(token === undefined ? agent : { ...agent, token }, view));
      }),
    );
}

type Metadata = NonNullable<Agent["metadata"]>;
