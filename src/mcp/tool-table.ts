import type { Tool } from "./tool.ts";
import { checkIn, findAgents, join } from "./tools/agents.ts";
import * as deadLetters from "./tools/dead-letters.ts";
import { read, receive, sendAMessage, settle } from "./tools/messages.ts";
import * as tasks from "./tools/tasks.ts";
import { complete, fail, progress, suspend } from "./tools/work.ts";

/** Every tool, once, in the order in which the list has them. */
export const tools: readonly Tool[] = [
  join,
  checkIn,
  findAgents,
  sendAMessage,
  receive,
  settle,
  read,
  tasks.assign,
  tasks.list,
  tasks.get,
  tasks.cancel,
  tasks.answer,
  progress,
  complete,
  fail,
  suspend,
  deadLetters.list,
  deadLetters.redrive,
];
