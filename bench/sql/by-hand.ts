import { randomUUID } from "node:crypto";
import type mssql from "mssql";
import { PAYLOAD } from "../../scripts/query-plans/inputs.ts";
import { capabilitiesHash } from "../../src/lib/store/capabilities.ts";
import { bigint, hash, type Inputs, id, int, text, word } from "../../src/lib/store/mssql/batch.ts";
import { COMPLETE_MESSAGE, HEARTBEAT, RECEIVE, RENEW, SEND } from "./hand-written-messages.ts";
import { ASSIGN, COMPLETE_TASK, FAIL_TASK, START } from "./hand-written-tasks.ts";
import type { HeldMessage, HeldTask, Verbs } from "./verbs.ts";

/** The peer of the store: each verb as a hand-written batch, through the same driver, with the same settings. */
export class ByHand implements Verbs {
  readonly #pool: mssql.ConnectionPool;

  constructor(pool: mssql.ConnectionPool) {
    this.#pool = pool;
  }

  async send(receiver: string): Promise<void> {
    const payload = JSON.stringify(PAYLOAD);
    await this.#query(SEND, {
      messageId: id(randomUUID()),
      sender: id("lead"),
      receiver: id(receiver),
      type: word("query"),
      priority: int(2),
      requestHash: hash("h".repeat(43)),
      payload: text(payload),
      payloadBytes: int(Buffer.byteLength(payload)),
    });
  }

  async receive(agentId: string): Promise<HeldMessage> {
    const [row] = await this.#query(RECEIVE, {
      agentId: id(agentId),
      lease: bigint(3_600_000),
      claimId: id(randomUUID()),
    });
    if (row === undefined) throw new Error("nothing was received");
    return { agentId, messageId: String(row.message_id), attempt: Number(row.attempt) };
  }

  async renew({ agentId, messageId, attempt }: HeldMessage): Promise<void> {
    const inputs = { agentId: id(agentId), messageId: id(messageId), attempt: int(attempt), lease: bigint(3_600_000) };
    const [row] = await this.#query(RENEW, inputs);
    if (row?.renewed !== 1) throw new Error("nothing was renewed");
  }

  async completeMessage({ agentId, messageId, attempt }: HeldMessage): Promise<void> {
    await this.#query(COMPLETE_MESSAGE, { agentId: id(agentId), messageId: id(messageId), attempt: int(attempt) });
  }

  async heartbeat(agentId: string): Promise<void> {
    await this.#query(HEARTBEAT, { agentId: id(agentId) });
  }

  async assign(capabilities: readonly string[]): Promise<HeldTask> {
    const taskId = randomUUID();
    const [row] = await this.#query(ASSIGN, {
      taskId: id(taskId),
      supervisor: id("lead"),
      taskType: id("common"),
      capabilitiesHash: hash(capabilitiesHash(capabilities)),
      priority: int(2),
      timeout: bigint(86_400_000),
      requestHash: hash("h".repeat(43)),
      description: text(""),
      parameters: text("{}"),
    });
    return { taskId, agentId: String(row?.agent_id), attempt: 1 };
  }

  async start(task: HeldTask): Promise<void> {
    await this.#query(START, { ...held(task), was: word("assigned") });
  }

  async completeTask(task: HeldTask): Promise<void> {
    const result = '{"done":true}';
    const inputs = { result: text(result), error: text(null), said: text(`,"result":${result}`) };
    await this.#query(COMPLETE_TASK, { ...held(task), was: word("running"), ...inputs });
  }

  async failTask(task: HeldTask): Promise<void> {
    const inputs = { result: text(null), error: text("no"), said: text(',"error":"no"') };
    await this.#query(FAIL_TASK, { ...held(task), was: word("running"), ...inputs });
  }

  async #query(sql: string, inputs: Inputs): Promise<mssql.IRecordSet<{ [column: string]: unknown }>> {
    const request = this.#pool.request();
    for (const [name, { type, value }] of Object.entries(inputs)) request.input(name, type, value);
    const { recordset } = await request.query<{ [column: string]: unknown }>(sql);
    return recordset ?? [];
  }
}

function held({ taskId, agentId, attempt }: HeldTask): Inputs {
  return { taskId: id(taskId), agentId: id(agentId), attempt: int(attempt) };
}
