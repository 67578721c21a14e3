import { OffsetClock } from "../../../src/lib/model/clock.ts";
import { newId } from "../../../src/lib/model/ids.ts";
import { DEPENDENTS_PER_CALL } from "../../../src/lib/model/limits.ts";
import { openSqliteStore } from "../../../src/lib/store/sqlite/open.ts";
import type { Store, StoreSettings } from "../../../src/lib/store/store.ts";
import { enrolling, issueKey, issueToken } from "../../contract/security/issued.ts";
import { DAY, HOUR, Scene } from "../../contract/support.ts";
import { leaveWaiting } from "./waiting-source.ts";

/** An embedded database as a team leaves it behind: everything in every state, made by the store's own verbs. */

const SETTINGS: StoreSettings = {
  heartbeatIntervalSeconds: 30,
  heartbeatTimeoutSeconds: 3_600,
  defaultTimeoutSeconds: 300,
  maxRetries: 3,
  maxTaskDepth: 8,
  maxTasksPerRoot: 1_000,
  maxMailbox: 100_000,
  messageRetentionDays: 7,
  deadLetterRetentionDays: 30,
  inactiveRetentionDays: 365,
  taskRetentionDays: 30,
  auditRetentionDays: 365,
  auditMessages: false,
};

export interface SourceOptions {
  /** Leaves messages leased, and tasks assigned and running. */
  leased: boolean;
  /** Further messages to `post`, from `lead`, all in one ordering key for every hundred of them. */
  messages?: number;
  /** Has encrypted values everywhere; what is in them does not matter to a copy. */
  encrypted?: boolean;
}

/** Fills a new file. The ids are the same each time; the newest rows are as old as this call. */
export async function fillSource(
  file: string,
  { leased, messages = 0, encrypted = false }: SourceOptions,
): Promise<void> {
  const clock = new OffsetClock();
  clock.offset = -40 * DAY;
  const store = openSqliteStore({ file, settings: SETTINGS, clock });
  const scene = new Scene({ store, clock, close: () => store.close() });
  await longAgo(scene);
  if (encrypted) await encryptedTask(scene, "archived-4", "old-hand");
  clock.advance(40 * DAY - HOUR);
  await store.sweep();
  await store.maintain();
  await register(scene);
  await issueCredentials(scene);
  await sendOpenMessages(scene, messages);
  await assignTasks(scene);
  await assignHub(scene);
  if (encrypted) {
    await encryptedTask(scene, "encrypted", "second");
    const message = scene.message("lead", "post", { messageId: "sealed", payload: `e1.v1.${"x".repeat(3_000)}` });
    await store.sendMessages([{ ...message, keyVersion: "v1" }]);
  }
  clock.advance(HOUR - 1_000);
  // Heartbeats are as old as the newest rows.
  for (const agentId of ["lead", "digger", "second", "resting", "post", "chief"]) await store.heartbeat({ agentId });
  await endMore(store, clock);
  await leaveWaiting(scene);
  if (leased) await leaveLeased(scene);
  await store.close();
}

const USED = [
  { provider: "openai", model: "gpt-5", inputTokens: 12_033, outputTokens: 440, cacheReadInputTokens: 11_904 },
  { inputTokens: 1, outputTokens: 2, cacheWriteInputTokens: 3, reasoningOutputTokens: 4, costMicros: 1e15 },
];

/** What is in the archive by now, and agents of which nothing was heard since. */
async function longAgo(scene: Scene): Promise<void> {
  const { store } = scene;
  await scene.register({ role: "supervisor", agentId: "lead", metadata: { team: "blue", ünïcode: [1, "ß"] } });
  await scene.register({ role: "worker", agentId: "old-hand", capabilities: ["bury"], maxConcurrentTasks: 3 });
  await scene.register({ role: "worker", agentId: "gone", capabilities: ["leave"] });
  const bury = { requiredCapabilities: ["bury"], assignTo: "old-hand" };
  await scene.complete(await scene.assign("lead", { ...bury, taskId: "archived-1" }), { depth: 2 });
  await scene.store.reportUsage("archived-1", { agentId: "old-hand", attempt: 1, usage: USED });
  await scene.fail(await scene.assign("lead", { ...bury, taskId: "archived-2" }), { retryable: false });
  await scene.submit("lead", { ...bury, taskId: "archived-3", requiredCapabilities: ["nobody"] });
  await store.cancelTask("archived-3", "not needed");
  await scene.send("lead", "old-hand", { messageId: "old-1", payload: "still there" });
  await scene.send("lead", "gone", { messageId: "left-behind", delaySeconds: 30 * 86_400 });
}

/** A completed task whose parameters and result are encrypted. */
async function encryptedTask(scene: Scene, taskId: string, assignTo: string): Promise<void> {
  const task = scene.task("lead", { taskId, assignTo, requiredCapabilities: [], parameters: "e1.v1.parameters" });
  await scene.store.assignTask({ ...task, keyVersion: "v1" });
  const { agentId, attempt } = await scene.held(taskId);
  await scene.store.completeTask(taskId, { agentId, attempt, result: "e1.v2.result", keyVersion: "v2" });
}

async function register(scene: Scene): Promise<void> {
  await scene.register({ role: "supervisor", agentId: "lead", metadata: { team: "blue", ünïcode: [1, "ß"] } });
  const digging = ["dig", "python@3.12", "c++"];
  await scene.register({ role: "worker", agentId: "digger", capabilities: digging, maxConcurrentTasks: 4 });
  await scene.register({ role: "worker", agentId: "second", capabilities: ["dig"], maxConcurrentTasks: 1 });
  await scene.register({ role: "worker", agentId: "resting", capabilities: ["dig"], maxConcurrentTasks: 2 });
  await scene.store.heartbeat({ agentId: "resting", status: "draining" });
  await scene.register({ role: "observer", agentId: "post", metadata: { kind: "mailbox" } });
  await scene.register({ role: "admin", agentId: "chief" });
}

/** One of each kind, one that is revoked, and a token that came by an enrolment. */
async function issueCredentials({ store }: Scene): Promise<void> {
  await issueToken(store, "chief", { label: 'the chief\'s "äöü" \\ laptop', expiresInMilliseconds: 90 * DAY });
  const { credentialId } = await issueToken(store, "lead");
  await store.recordCredentialUse([credentialId]);
  await store.revokeCredential(credentialId);
  const capabilities = Array.from({ length: 64 }, (_, n) => `${"c".repeat(100)}-${n}*`);
  const terms = { capabilities, maxConcurrentTasks: 3, idleDays: 30, expiresInDays: 60 };
  const key = await issueKey(store, "post-", { roles: ["observer", "worker"], expiresInMilliseconds: DAY, ...terms });
  const enrolled = { agentId: "post-2", role: "observer" as const, capabilities: [], maxConcurrentTasks: 1 };
  const authority = enrolling(store, key, "hashed-enrolment");
  await store.registerAgent(enrolled, authority);
  const renewal = { credentialId: newId(store.now()), secretHash: "r".repeat(43) };
  await store.renewToken({ credentialId: authority.token.credentialId, token: renewal });
  const objectId = "aaaaaaaa-1111-4222-8333-444444444444";
  const agentIds = Array.from({ length: 100 }, (_, n) => `${"a".repeat(100)}-${n}`);
  await store.issueCredential({ kind: "principal", credentialId: newId(store.now()), objectId, agentIds });
  const subject = 'CN=lead\\, "the",O=Größe';
  await store.issueCredential({ kind: "certificate", credentialId: newId(store.now()), agentId: "lead", subject });
  const thumbprint = "ab".repeat(32);
  await store.issueCredential({ kind: "certificate", credentialId: newId(store.now()), agentId: "post", thumbprint });
}

async function sendOpenMessages(scene: Scene, more: number): Promise<void> {
  const { store } = scene;
  await store.putMessageType("report", { type: "object", required: ["n"] });
  await store.putMessageType("anything", true);
  const post = (options: Parameters<Scene["send"]>[2]) => scene.send("lead", "post", options);
  await post({ messageId: "done", payload: null });
  await scene.settle("post", await scene.receiveOne("post"), "complete");
  for (const n of [1, 2, 3]) await post({ messageId: `key-${n}`, orderingKey: "k", payload: { n }, type: "report" });
  for (const priority of ["low", "normal", "high", "urgent"] as const) await post({ messageId: priority, priority });
  await post({ messageId: "key-later", orderingKey: "k", delaySeconds: 86_400 });
  await post({ messageId: "later", delaySeconds: 86_400, correlationId: "c-1", replyTo: "chief" });
  await post({ messageId: "mortal", ttlSeconds: 2 * 86_400 });
  await post({ messageId: "large", payload: { text: "ä€😀".repeat(2_000) } });
  await post({ messageId: "numbers", payload: [1.0, 1e21, -0, "\u2028", { b: 1, a: 2 }] });
  await store.sendMessages([scene.message("chief", "post", { messageId: "keyed", payload: [] }, "hashed-key")]);
  await sendThroughChannels(scene);
  await scene.deadLetter("lead", "chief", { messageId: "dead-1", orderingKey: "d" }, "cannot be read");
  await scene.deadLetter("lead", "chief", { messageId: "dead-2" }, "ünreadable");
  await scene.send("lead", "second", { messageId: "again", priority: "urgent" });
  await scene.settle("second", await scene.receiveOne("second"), "retry", { delayMilliseconds: HOUR, reason: "busy" });
  for (let n = 0; n < more; n += 100) {
    const page = Array.from({ length: Math.min(100, more - n) }, (_, index) =>
      scene.message("lead", "post", {
        messageId: `more-${n + index}`,
        payload: { n: n + index },
        orderingKey: `o-${n}`,
      }),
    );
    await store.sendMessages(page);
  }
  await store.deregisterAgent("gone");
}

async function sendThroughChannels(scene: Scene): Promise<void> {
  const grants = [
    { role: "worker" as const, post: true },
    { agentId: "digger", read: true, manage: true },
  ];
  await scene.channel("work_queue", { name: "digs", description: "tüchtig", members: ["digger", "second"], grants });
  await scene.channel("broadcast", { name: "news", creator: "lead", members: ["post", "chief", "gone"] });
  await scene.channel("work_queue", { name: "closed" });
  for (const n of [1, 2, 3])
    await scene.send("lead", "#digs", { messageId: `dig-${n}`, orderingKey: n < 3 ? "o" : undefined });
  await scene.receiveOne("digger", { channel: "digs", leaseMilliseconds: 1_000 });
  await scene.post("lead", "news", { messageId: "headline", payload: "n".repeat(5_000) });
  await scene.send("lead", "#closed", { messageId: "too-late" });
  await scene.store.deleteChannel("closed");
}

async function assignTasks(scene: Scene): Promise<void> {
  const { store } = scene;
  const dig = { requiredCapabilities: ["dig"] };
  await scene.complete(await scene.assign("lead", { ...dig, taskId: "completed", parameters: { deep: [true] } }), null);
  await scene.fail(await scene.assign("lead", { ...dig, taskId: "failed" }), { retryable: false, error: "no spade" });
  await scene.submit("lead", { requiredCapabilities: ["sing"], taskId: "cancelled" });
  await store.cancelTask("cancelled", "too loud");
  await scene.submit("lead", {
    taskId: "pending",
    requiredCapabilities: ["sing", "dance"],
    preferredCapabilities: ["dig"],
    description: "Sing – and dance",
    priority: "high",
    parentTaskId: "completed",
  });
  await store.assignTask(scene.task("lead", { taskId: "keyed-task", requiredCapabilities: ["sing"] }, "task-key"));
  await scene.submit("lead", { taskId: "named", assignTo: "resting", ...dig });
  await scene.submit("lead", { taskId: "blocked-1", dependsOn: ["pending", "completed", "archived-1"], ...dig });
  await scene.submit("lead", { taskId: "blocked-2", dependsOn: ["blocked-1", "named"], ...dig });
  await scene.submit("lead", { taskId: "doomed", dependsOn: ["archived-2"], ...dig });
}

/** One more than a call tells at once, so that the sweep would have something left to do. */
const DEPENDENTS = DEPENDENTS_PER_CALL + 20;

async function assignHub(scene: Scene): Promise<void> {
  const sing = { requiredCapabilities: ["sing"] };
  const hub = await scene.assign("lead", { taskId: "hub", requiredCapabilities: ["c++"] });
  for (let n = 0; n < DEPENDENTS; n++) await scene.submit("lead", { taskId: `leaf-${n}`, dependsOn: ["hub"], ...sing });
  await scene.complete(hub, "done");
}

/** A task that has an attempt behind it and waits for its backoff. */
async function endMore(store: Store, clock: OffsetClock): Promise<void> {
  const scene = new Scene({ store, clock, close: () => store.close() });
  const held = await scene.assign("lead", { taskId: "retried", requiredCapabilities: ["c++"], maxRetries: 5 });
  await scene.progress(held, { percent: 12.5, note: "hit a stone" });
  await store.reportUsage(held.taskId, { agentId: held.agentId, attempt: held.attempt, usage: USED });
  await scene.fail(held, { error: "stone" });
}

async function leaveLeased(scene: Scene): Promise<void> {
  await scene.assign("lead", { taskId: "assigned", assignTo: "second", requiredCapabilities: ["dig"] });
  const digger = { assignTo: "digger", requiredCapabilities: ["dig"], timeoutSeconds: 7_200 };
  const running = await scene.assign("lead", { taskId: "running", ...digger });
  await scene.progress(running, { percent: 40, note: "halfway" });
  const called = await scene.assign("lead", { taskId: "called-off", ...digger });
  await scene.start(called);
  await scene.store.cancelTask("called-off", "changed my mind");
  await scene.claim("second", { channel: "digs", leaseMilliseconds: HOUR });
  await scene.claim("post", { maxMessages: 4, leaseMilliseconds: HOUR, claimId: "claim-1" });
}
