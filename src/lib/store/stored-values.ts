import type { JsonValue } from "../model/json.ts";
import type { LeasedMessage, Message } from "../model/message.ts";
import type { QuestionContent, TaskQuestion } from "../model/question.ts";
import type { FiringLog, ScheduleSummary } from "../model/schedule.ts";
import type { CompleteTask, DependencyResult, Task } from "../model/task.ts";
import type { TaskValueName } from "./task-values.ts";

export type { TaskValueName } from "./task-values.ts";

/** What a store says and is told of encrypted values: it keeps them, and does not know what is in them. */

/**
 * What is encrypted comes to the store, and from it, as its envelope (a JSON string) together with the version of its key. The
 * version alone says that a value is one: a caller may send a text that looks the same.
 */
export interface Encrypted {
  keyVersion?: string | undefined;
}

/** A value, or its envelope together with the version of its key. */
export interface Sealed extends Encrypted {
  value: JsonValue;
}

/** What a task_assignment tells of a suspension, and is encrypted apart from its parameters. */
export interface ResumeKeys {
  checkpoint?: string | undefined;
  answer?: string | undefined;
  /** True when the answer is the question's default. */
  byDefault?: boolean | undefined;
}

/**
 * `keyVersion` is of the payload; of what the system wrote it is of the parameters in a task_assignment, of the result in a
 * task_result, of the question in a task_question.
 */
interface EncryptedMessage extends Encrypted {
  resumeKeys?: ResumeKeys | undefined;
  /** The versions of the keys of the results in the `dependencies` of a task_assignment, by the ids of their tasks. */
  dependencyKeys?: ReadonlyMap<string, string> | undefined;
}
export type StoredMessage = Message & EncryptedMessage;
export type StoredLeasedMessage = LeasedMessage & EncryptedMessage;

/** Leased messages that their receiver has not seen, since they could not be decrypted. */
export interface GiveBack {
  agentId: string;
  messages: readonly { messageId: string; attempt: number }[];
  delayMilliseconds: number;
}

/** `keyVersion` is of the result. */
export type TaskCompletion = CompleteTask & Encrypted;

/** A question whose contents may be encrypted. */
export type StoredQuestion = Omit<TaskQuestion, keyof QuestionContent | "defaultAnswer" | "answer"> & {
  /** Whether the task is nothing else. */
  gate: boolean;
  /** Text, schema and options; absent of one that is not the newest of its task. */
  content?: Sealed;
  defaultAnswer?: Sealed;
  answer?: Sealed;
};

/** A question that was asked, with what its readers need to know of its task. */
export type QuestionOfTask = StoredQuestion & {
  questionId: string;
  taskId: string;
  taskType: string;
  supervisor: string;
  priority: Task["priority"];
};

/** `keyVersion` is of the parameters. */
export type StoredTask = Omit<Task, "question" | "checkpoint"> &
  Encrypted & {
    resultKeyVersion?: string | undefined;
    question?: StoredQuestion;
    checkpoint?: Sealed;
  };

/** `keyVersion` is of the result. `child`: the task has made it by its last suspension. */
export type StoredDependency = DependencyResult & Encrypted & { child?: true };

/** Times in milliseconds since 1970. */
export type StoredSchedule = Omit<ScheduleSummary, "nextDueAt"> & {
  version: number;
  dueAt: number | undefined;
  /** When `dueAt` was found. */
  plannedAt: number;
  log: FiringLog;
  /** The task or workflow. */
  contents: Sealed;
};

/** Where encrypted values are: in messages, in tasks, in the archive, in schedules. */
export type EncryptedKind =
  | "message"
  | "parameters"
  | "result"
  | "task_value"
  | "schedule"
  | "archived_parameters"
  | "archived_result"
  | "archived_task_value";

/** Where a walk over encrypted values has got to. */
export interface OutdatedPosition {
  keyVersion: string;
  /** What the store orders them by; a number or an id. */
  place: number | string;
}

/** A value under another version. */
export interface OutdatedValue extends OutdatedPosition {
  /** Of the message or task. */
  id: string;
  /** Where the value belongs: that id, too, but for the copy of a post, whose value is that of the post. */
  belongsTo: string;
  /** Of a value of a task, which. */
  name?: TaskValueName | undefined;
  /** A message that the switchboard wrote itself: `text` is its whole payload, with the envelope inside. */
  ofSystem: boolean;
  /** JSON text, as it is stored. */
  text: string;
}

/** What takes its place, if it still is what it was. */
export interface Replacement {
  id: string;
  was: Pick<OutdatedValue, "keyVersion" | "text">;
  text: string;
}
