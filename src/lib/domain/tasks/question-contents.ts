import type { JsonValue } from "../../model/json.ts";
import {
  type Ask,
  type QuestionContent,
  questionContentSchema,
  rejects,
  type TaskQuestion,
} from "../../model/question.ts";
import type { ContentEncryption, Key, Place } from "../../security/content-encryption.ts";
import type { NewQuestion, Sealed, StoredQuestion } from "../../store/store.ts";
import { requireFitting } from "./answer-check.ts";

/** What is in questions, answers and checkpoints: sealed on the way into the store where their task is sensitive. */

export type TaskField = Extract<
  Place["field"],
  "parameters" | "result" | "checkpoint" | "question" | "defaultAnswer" | "answer"
>;

export function placeOf(taskId: string, field: TaskField): Place {
  return { kind: "task", id: taskId, field };
}

/** A value that may be shown: what it is; what cannot be decrypted any more is not there. */
export interface Opened {
  value?: JsonValue;
  unread: boolean;
}

export class QuestionContents {
  readonly #encryption: ContentEncryption;

  constructor(encryption: ContentEncryption) {
    this.#encryption = encryption;
  }

  /** The value as the store takes it. `key`: of a sensitive task. */
  seal(key: Key | undefined, taskId: string, field: TaskField, value: JsonValue): Sealed {
    return key === undefined ? { value } : this.#encryption.encrypt(key, placeOf(taskId, field), value);
  }

  /** @throws KEY_UNAVAILABLE */
  async open(taskId: string, field: TaskField, { value, keyVersion }: Sealed): Promise<Opened> {
    if (keyVersion === undefined) return { value, unread: false };
    const decrypted = await this.#encryption.decrypt(placeOf(taskId, field), value, keyVersion);
    return decrypted.state === "read" ? { value: decrypted.value, unread: false } : { unread: true };
  }

  /**
   * The question as the store takes it.
   *
   * @param place.path where it stands in the request
   * @throws SCHEMA_MISMATCH when its default is not what it asks for
   */
  ask(ask: Ask, place: { taskId: string; key: Key | undefined; gate: boolean; path: string }): NewQuestion {
    const { askedOf = [], defaultAnswer, timeoutSeconds, ...content } = ask;
    const { taskId, key, gate, path } = place;
    const question: NewQuestion = {
      content: this.seal(key, taskId, "question", content),
      defaultRejects: false,
      askedOf: [...new Set(askedOf)],
    };
    if (timeoutSeconds !== undefined) question.timeoutMilliseconds = Math.ceil(timeoutSeconds * 1_000);
    if (defaultAnswer !== undefined) {
      requireFitting(content, defaultAnswer, `${path}.defaultAnswer`);
      // A gate's default becomes its result as it is.
      question.defaultAnswer = this.seal(key, taskId, gate ? "result" : "defaultAnswer", defaultAnswer);
      question.defaultRejects = gate && rejects(content, defaultAnswer);
    }
    return question;
  }

  /** The text and the shape of the answer; undefined where they cannot be read. @throws KEY_UNAVAILABLE */
  async content(taskId: string, sealed: Sealed): Promise<QuestionContent | undefined> {
    const { value } = await this.open(taskId, "question", sealed);
    const parsed = questionContentSchema.safeParse(value);
    return parsed.success ? parsed.data : undefined;
  }

  /**
   * The question as its readers see it. One whose contents cannot be read, or may not be, has an empty text.
   *
   * @throws KEY_UNAVAILABLE
   */
  async reveal(taskId: string, stored: StoredQuestion): Promise<{ question: TaskQuestion; unread: boolean }> {
    const { gate, content, defaultAnswer, answer, ...question } = stored;
    const shown = content && (await this.content(taskId, content));
    const opened: Opened[] = [];
    const open = async (field: TaskField, sealed: Sealed): Promise<JsonValue | undefined> => {
      const value = await this.open(taskId, field, sealed);
      opened.push(value);
      return value.value;
    };
    const revealed: TaskQuestion = { ...question, ...(shown ?? { text: "" }) };
    const byDefault = defaultAnswer && (await open(gate ? "result" : "defaultAnswer", defaultAnswer));
    const given = answer === undefined ? undefined : await open("answer", answer);
    if (byDefault !== undefined) revealed.defaultAnswer = byDefault;
    if (given !== undefined) revealed.answer = given;
    else if (stored.state === "timed_out" && byDefault !== undefined && !gate) revealed.answer = byDefault;
    const lost = content?.keyVersion !== undefined && shown === undefined;
    return { question: revealed, unread: lost || opened.some(({ unread }) => unread) };
  }
}
