import { problemToError } from "./problem.ts";
import type { CallOptions } from "./route-caller.ts";
import type { BodyOf, QueryOf, ReplyOf } from "./route-types.ts";
import { TaskClient } from "./task-client.ts";

/**
 * Every route of the switchboard as a typed method. Runs in Node 20 and newer and in browsers: it needs fetch only.
 *
 * Every method may throw AgentCommunicationError with the code that the server gave. Lost connections, 429 and 503 are
 * repeated within the retry budget, and a repeat does nothing twice.
 *
 * @example
 * const client = new AgentClient({ baseUrl: "http://127.0.0.1:7071/api" });
 * await client.registerAgent({ agentId: "reviewer", role: "worker", capabilities: ["review"] });
 * await client.sendMessage({ sender: "reviewer", receiver: "planner", type: "query", payload: { about: "plan" } });
 */
export class AgentClient extends TaskClient {
  // messages --------------------------------------------------------------------------------------------------------

  /** Durable once it resolves. Without `messageId` (and Idempotency-Key) one is made, so a repeat sends nothing twice. */
  sendMessage(message: BodyOf<"POST /messages">, options?: CallOptions) {
    return this.call("POST /messages", { body: message }, options);
  }

  /** Up to 100, all or nothing. */
  sendMessages(messages: BodyOf<"POST /messages/batch">["messages"], options?: CallOptions) {
    return this.call("POST /messages/batch", { body: { messages } }, options);
  }

  getMessage(messageId: string, options?: CallOptions) {
    return this.call("GET /messages/{messageId}", { params: { messageId } }, options);
  }

  /** Takes back a message that is still queued; of a post, every copy that is. It reads as expired, and its id stays taken. */
  withdrawMessage(messageId: string, options?: CallOptions) {
    return this.call("DELETE /messages/{messageId}", { params: { messageId } }, options);
  }

  /** Leases what is due. Each call has a claim id, so an answer lost on the way loses no lease. */
  receiveMessages(
    agentId: string,
    body: BodyOf<"POST /agents/{agentId}/messages/receive"> = {},
    options?: CallOptions,
  ) {
    return this.call("POST /agents/{agentId}/messages/receive", { params: { agentId }, body }, options);
  }

  /** What waits in the mailbox, in delivery order, without leasing it. */
  peekMessages(agentId: string, query: QueryOf<"GET /agents/{agentId}/messages"> = {}, options?: CallOptions) {
    return this.call("GET /agents/{agentId}/messages", { params: { agentId }, query }, options);
  }

  /**
   * Ends up to 1,000 queued messages of the mailbox that match, due or not; `{ filter: {} }` is everything. Not repeated after
   * a lost connection: a repeat would take the next ones.
   */
  purgeMailbox(agentId: string, body: BodyOf<"POST /agents/{agentId}/messages/purge">, options?: CallOptions) {
    return this.call("POST /agents/{agentId}/messages/purge", { params: { agentId }, body }, options);
  }

  completeMessage(messageId: string, body: BodyOf<"POST /messages/{messageId}/complete">, options?: CallOptions) {
    return this.call("POST /messages/{messageId}/complete", { params: { messageId }, body }, options);
  }

  /** Returns the message, to be delivered again after `delaySeconds`. */
  retryMessage(messageId: string, body: BodyOf<"POST /messages/{messageId}/retry">, options?: CallOptions) {
    return this.call("POST /messages/{messageId}/retry", { params: { messageId }, body }, options);
  }

  deadLetterMessage(messageId: string, body: BodyOf<"POST /messages/{messageId}/dead-letter">, options?: CallOptions) {
    return this.call("POST /messages/{messageId}/dead-letter", { params: { messageId }, body }, options);
  }

  /** Moves the end of the lease to now + `leaseSeconds`. */
  renewMessage(messageId: string, body: BodyOf<"POST /messages/{messageId}/renew">, options?: CallOptions) {
    return this.call("POST /messages/{messageId}/renew", { params: { messageId }, body }, options);
  }

  /** Settles up to 100, each as if sent alone. */
  settleMessages(body: BodyOf<"POST /messages/settle">, options?: CallOptions) {
    return this.call("POST /messages/settle", { body }, options);
  }

  // channels --------------------------------------------------------------------------------------------------------

  /** Makes a channel. The same again by the same caller: the channel as it is now. Send to it as `#name`. */
  createChannel(channel: BodyOf<"POST /channels">, options?: CallOptions) {
    return this.call("POST /channels", { body: channel }, options);
  }

  /** By name: what the caller may read. */
  listChannels(query: QueryOf<"GET /channels"> = {}, options?: CallOptions) {
    return this.call("GET /channels", { query }, options);
  }

  getChannel(name: string, options?: CallOptions) {
    return this.call("GET /channels/{name}", { params: { name } }, options);
  }

  /** What waits in a work queue is dead-lettered by the next sweep. */
  deleteChannel(name: string, options?: CallOptions) {
    return this.call("DELETE /channels/{name}", { params: { name } }, options);
  }

  listChannelMembers(name: string, query: QueryOf<"GET /channels/{name}/members"> = {}, options?: CallOptions) {
    return this.call("GET /channels/{name}/members", { params: { name }, query }, options);
  }

  addChannelMember(name: string, agentId: string, options?: CallOptions) {
    return this.call("PUT /channels/{name}/members/{agentId}", { params: { name, agentId } }, options);
  }

  removeChannelMember(name: string, agentId: string, options?: CallOptions) {
    return this.call("DELETE /channels/{name}/members/{agentId}", { params: { name, agentId } }, options);
  }

  /** In the place of what the agent or role had; without any right it takes that away. */
  putChannelGrant(name: string, grant: BodyOf<"PUT /channels/{name}/grants">, options?: CallOptions) {
    return this.call("PUT /channels/{name}/grants", { params: { name }, body: grant }, options);
  }

  /**
   * Leases what is due in a work queue, for the member that asks. Settle it as its own messages, with the member's id. Each
   * call has a claim id, so an answer lost on the way loses no lease.
   */
  receiveFromChannel(name: string, body: BodyOf<"POST /channels/{name}/messages/receive">, options?: CallOptions) {
    return this.call("POST /channels/{name}/messages/receive", { params: { name }, body }, options);
  }

  /** What waits in a work queue, in delivery order, without leasing it. */
  peekChannel(name: string, query: QueryOf<"GET /channels/{name}/messages"> = {}, options?: CallOptions) {
    return this.call("GET /channels/{name}/messages", { params: { name }, query }, options);
  }

  /** As `purgeMailbox`, of a work queue that you may manage. */
  purgeChannel(name: string, body: BodyOf<"POST /channels/{name}/messages/purge">, options?: CallOptions) {
    return this.call("POST /channels/{name}/messages/purge", { params: { name }, body }, options);
  }

  // dead letters ----------------------------------------------------------------------------------------------------

  listDeadLetters(query: QueryOf<"GET /dead-letters"> = {}, options?: CallOptions) {
    return this.call("GET /dead-letters", { query }, options);
  }

  /** Queues up to 1,000 again. Not repeated after a lost connection: a repeat would take the next ones. */
  redriveDeadLetters(selection: BodyOf<"POST /dead-letters/redrive">, options?: CallOptions) {
    return this.call("POST /dead-letters/redrive", { body: selection }, options);
  }

  /** Deletes up to 1,000. Not repeated after a lost connection: a repeat would take the next ones. */
  purgeDeadLetters(selection: BodyOf<"POST /dead-letters/purge">, options?: CallOptions) {
    return this.call("POST /dead-letters/purge", { body: selection }, options);
  }

  // what is going on ------------------------------------------------------------------------------------------------

  queueStatistics(options?: CallOptions) {
    return this.call("GET /stats/queue", {}, options);
  }

  registryStatistics(options?: CallOptions) {
    return this.call("GET /stats/registry", {}, options);
  }

  coordinationStatistics(options?: CallOptions) {
    return this.call("GET /stats/coordination", {}, options);
  }

  metrics(options?: CallOptions) {
    return this.call("GET /metrics", {}, options);
  }

  /** The metrics as Prometheus text. */
  async metricsText(options: CallOptions = {}): Promise<string> {
    const answer = await this.exchange("GET /metrics", {}, "text/plain", options);
    if (!answer.ok) throw problemToError("GET /metrics", answer);
    return answer.text;
  }

  /** Also resolves when the service is unhealthy; see `status`. */
  health(options?: CallOptions): Promise<ReplyOf<"GET /health">> {
    return this.call("GET /health", {}, options);
  }

  /** Whether the process answers at all. */
  live(options?: CallOptions) {
    return this.call("GET /health/live", {}, options);
  }

  openapi(options?: CallOptions) {
    return this.call("GET /openapi.json", {}, options);
  }

  // audit -----------------------------------------------------------------------------------------------------------

  /** What was done, newest first. A page may be short, or empty, and not be the last: see `nextCursor`. */
  listAudit(query: QueryOf<"GET /audit"> = {}, options?: CallOptions) {
    return this.call("GET /audit", { query }, options);
  }

  /** Sealed blocks, oldest first. */
  listAuditBlocks(query: QueryOf<"GET /audit/blocks"> = {}, options?: CallOptions) {
    return this.call("GET /audit/blocks", { query }, options);
  }

  /** One block with its entries as they are now: all that it takes to verify it. */
  getAuditBlock(blockNo: number, options?: CallOptions) {
    return this.call("GET /audit/blocks/{blockNo}", { params: { blockNo: String(blockNo) } }, options);
  }

  /** The hash of the newest block, to be kept where nobody can change it. */
  getAuditDigest(options?: CallOptions) {
    return this.call("GET /audit/digest", {}, options);
  }

  // upkeep ----------------------------------------------------------------------------------------------------------

  /** Runs the daily upkeep now; may take its whole budget of 60 s. */
  runMaintenance(options?: CallOptions) {
    return this.call("POST /maintenance", { body: {} }, options);
  }

  /** Encrypts stored values again under the newest version of the key; call it with `nextCursor` until that is null. */
  rotateKeys(body: BodyOf<"POST /keys/rotate"> = {}, options?: CallOptions) {
    return this.call("POST /keys/rotate", { body }, options);
  }

  /** Creates or replaces the JSON Schema that payloads of a custom type must satisfy. */
  putMessageType(type: string, schema: BodyOf<"PUT /message-types/{type}">["schema"], options?: CallOptions) {
    return this.call("PUT /message-types/{type}", { params: { type }, body: { schema } }, options);
  }

  getMessageType(type: string, options?: CallOptions) {
    return this.call("GET /message-types/{type}", { params: { type } }, options);
  }

  listMessageTypes(query: QueryOf<"GET /message-types"> = {}, options?: CallOptions) {
    return this.call("GET /message-types", { query }, options);
  }

  deleteMessageType(type: string, options?: CallOptions) {
    return this.call("DELETE /message-types/{type}", { params: { type } }, options);
  }
}
