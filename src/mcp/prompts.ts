import {
  type GetPromptResult,
  type ListPromptsResult,
  ProtocolError,
  ProtocolErrorCode,
} from "@modelcontextprotocol/server";
import { z } from "zod";

/** What a user can begin a session with. The words are ours, and those of the user that starts it. */

interface Prompt {
  name: string;
  title: string;
  description: string;
  arguments: readonly { name: string; description: string; required: boolean }[];
  text(given: Readonly<Record<string, string>>): string;
}

const PROMPTS: readonly Prompt[] = [
  {
    name: "join_fleet",
    title: "Join the fleet",
    description: "Be a worker of the fleet: take tasks and do them until there are none",
    arguments: [{ name: "capabilities", description: "What you can do, with commas: python, review", required: false }],
    text: ({ capabilities = "" }) =>
      [
        "Join the fleet as an agent and work.",
        capabilities === "" ? "Call join." : `Call join with these capabilities: ${capabilities}.`,
        "Then repeat: call check_in; do each task that it lists as yours (report_progress, the work, complete_task or fail_task);",
        "with none, call receive_messages with waitSeconds 20. Settle each message that you have dealt with.",
        "Ask me before you do anything that a task of the fleet would not usually be allowed to do here.",
      ].join(" "),
  },
  {
    name: "hand_over_work",
    title: "Hand work over",
    description: "Give work to another agent of the fleet and follow it to its end",
    arguments: [{ name: "work", description: "What is to be done", required: true }],
    text: ({ work = "" }) =>
      [
        "Hand this work to the fleet:",
        `${work}\n`,
        "Look for workers with find_agents, choose the capabilities that the work requires, and call assign_task with all that the worker needs to know.",
        "Follow the task by get_task with afterVersion and waitSeconds. Show me each question that is asked, and answer it with answer_question as I say.",
        "At the end tell me the result, and that it is the word of the agent that did the work.",
      ].join(" "),
  },
  {
    name: "review_dead_letters",
    title: "Go through dead letters",
    description: "Find out why messages could not be delivered, and redrive those that can be now",
    arguments: [],
    text: () =>
      [
        "Go through the dead letters of the fleet with list_dead_letters. Group them by receiver and reason, and tell me what each group needs.",
        "Redrive a group only when I say so: first with dryRun, then by its messageIds.",
      ].join(" "),
  },
];

/** The same for every caller. */
export const promptList: ListPromptsResult = {
  prompts: PROMPTS.map(({ name, title, description, arguments: given }) => ({
    name,
    title,
    description,
    arguments: [...given],
  })),
};

const argumentsSchema = z.record(z.string(), z.string().max(4_096)).default({});

/** @throws ProtocolError for a prompt that is not there, and for arguments that are missing */
export function getPrompt(name: string, given: unknown): GetPromptResult {
  const prompt = PROMPTS.find((candidate) => candidate.name === name);
  if (prompt === undefined)
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, "There is no prompt of this name.");
  const parsed = argumentsSchema.safeParse(given);
  const missing = prompt.arguments.find(({ name: wanted, required }) => required && !parsed.data?.[wanted]);
  if (!parsed.success || missing !== undefined) {
    const detail =
      missing === undefined ? "Arguments are texts of at most 4,096 characters." : `${missing.name} is missing.`;
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, detail);
  }
  const { description } = prompt;
  return { description, messages: [{ role: "user", content: { type: "text", text: prompt.text(parsed.data) } }] };
}
