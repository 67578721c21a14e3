import type { OperationKey } from "../operations.ts";
import { AGENTS } from "./agents.ts";
import { CHANNELS } from "./channels.ts";
import { CREDENTIALS } from "./credentials.ts";
import { MESSAGES } from "./messages.ts";
import type { OperationShape } from "./operation-shape.ts";
import { SCHEDULES } from "./schedules.ts";
import { SERVICE } from "./service.ts";
import { TASKS } from "./tasks.ts";
import { USAGE } from "./usage.ts";
import { WORKFLOWS } from "./workflows.ts";

/** The shape of every operation. The route table parses and documents by it; the client takes its types from it, and nothing at run time. */
export const CONTRACT = {
  ...AGENTS,
  ...CREDENTIALS,
  ...MESSAGES,
  ...CHANNELS,
  ...TASKS,
  ...WORKFLOWS,
  ...SCHEDULES,
  ...USAGE,
  ...SERVICE,
} as const satisfies Readonly<Record<OperationKey, OperationShape>>;

/**
 * The shapes as types.
 *
 * @example
 * type Body = z.input<Contract["POST /messages"]["body"]>;
 */
export type Contract = typeof CONTRACT;
