import type { Command } from "commander";
import type { AgentClient } from "../client/agent-client.ts";
import { type AssignedTask, isForged, readAssignment } from "../client/payloads.ts";
import { stopwatch } from "../lib/model/clock.ts";
import { isAgentCommunicationError } from "../lib/model/errors.ts";
import type { LeasedMessage } from "../lib/model/message.ts";
import type { Runner } from "./context.ts";
import { EXIT } from "./exit-codes.ts";
import { toNumber } from "./options.ts";
import { properties } from "./table.ts";

/** The next task of a worker that is a shell script. */

const LONGEST_POLL_SECONDS = 20;
const ASSIGNMENT = "task_assignment";

/** tasks take: waits for the next assignment, starts it, and prints it. */
export function addTaskTake(tasks: Command, runner: Runner): void {
  tasks
    .command("take <agentId>")
    .description("wait for the next task of an agent, start it and print it; the exit code is 1 when none came in time")
    .option("--wait-seconds <n>", "how long to wait (default: until one comes)", toNumber)
    .action((agentId: string, { waitSeconds }: { waitSeconds?: number }, command: Command) =>
      runner.run(command, async ({ client, print }) => {
        const task = await takeTask(client, agentId, waitSeconds ?? Number.POSITIVE_INFINITY);
        if (task === undefined) return EXIT.REFUSED;
        print(task, properties);
        return EXIT.OK;
      }),
    );
}

/** @returns the task that has been started; undefined when none has come within so many seconds */
async function takeTask(client: AgentClient, agentId: string, seconds: number): Promise<AssignedTask | undefined> {
  const elapsed = stopwatch();
  for (;;) {
    const left = Math.max(0, seconds - elapsed() / 1_000);
    const { messages } = await client.receiveMessages(agentId, {
      types: [ASSIGNMENT],
      maxMessages: 1,
      waitSeconds: Math.min(left, LONGEST_POLL_SECONDS),
      // The client repeats a call whose answer was lost: by this the repeat gets the message that the first one leased.
      claimId: client.newId(),
    });
    for (const message of messages) {
      const task = await startOf(client, agentId, message);
      if (task !== undefined) return task;
    }
    if (messages.length === 0 && left <= LONGEST_POLL_SECONDS) return undefined;
  }
}

/** Starts what a message assigns. @returns undefined when the task has gone on without the agent, or is to be cancelled */
async function startOf(
  client: AgentClient,
  agentId: string,
  message: LeasedMessage,
): Promise<AssignedTask | undefined> {
  const task = isForged(message, [ASSIGNMENT]) ? undefined : readAssignment(message);
  if (task === undefined) {
    const { messageId, attempt } = message;
    await client.settleMessages({ agentId, settlements: [{ messageId, attempt, outcome: "dead_letter" }] });
    return undefined;
  }
  const held = { agentId, attempt: task.attempt };
  try {
    const { cancelRequested } = await client.startTask(task.taskId, held);
    if (!cancelRequested) return task;
    await client.failTask(task.taskId, { ...held, error: "cancelled before it began" });
  } catch (error) {
    if (!isAgentCommunicationError(error, "LEASE_LOST")) throw error;
  }
  return undefined;
}
