import type { LeasedMessage, Message } from "../model/message.ts";
import type { CompleteTask, Task } from "../model/task.ts";

/** What a store says and is told of encrypted values: it keeps them, and does not know what is in them. */

/**
 * What is encrypted comes to the store, and from it, as its envelope (a JSON string) together with the version of its key. The
 * version alone says that a value is one: a caller may send a text that looks the same.
 */
export interface Encrypted {
  keyVersion?: string | undefined;
}

/** `keyVersion` is of the payload; of the parameters in a task_assignment, of the result in a task_result of the system. */
export type StoredMessage = Message & Encrypted;
export type StoredLeasedMessage = LeasedMessage & Encrypted;

/** Leased messages that their receiver has not seen, since they could not be decrypted. */
export interface GiveBack {
  agentId: string;
  messages: readonly { messageId: string; attempt: number }[];
  delayMilliseconds: number;
}

/** `keyVersion` is of the result. */
export type TaskCompletion = CompleteTask & Encrypted;

/** `keyVersion` is of the parameters. */
export type StoredTask = Task & Encrypted & { resultKeyVersion?: string | undefined };

/** Where encrypted values are: in messages, in tasks, in the archive. */
export type EncryptedKind = "message" | "parameters" | "result" | "archived_parameters" | "archived_result";

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
