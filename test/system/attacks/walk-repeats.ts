import type { Ask, Owner, World } from "./walk-world.ts";
import { MARK } from "./walk-world.ts";

/**
 * What a repeat of each route that changes something could tell: a reason why nothing, or cases to be tried. A route without an entry
 * fails the walk.
 */

/** A request that was accepted once, what happens then, and what its repeat is answered. */
export interface Repeat {
  says: string;
  by: Owner;
  asked: Ask;
  meanwhile?: () => Promise<unknown>;
  /** Who repeats it; the same agent if absent. */
  again?: Owner;
  /** In its body then. */
  more?: object;
  code: string;
}

type Repeats = (world: World) => Promise<Repeat[]>;

const NO_ANSWER_IS_KEPT =
  "there is nothing by which a repeat is known: it is a call of its own, under the rule of the route";
const OWN_NAME = "a repeat is known by the caller's own name, which the rule of the route asks for first";
const ONLY_STATE = "the answer is the state that the rule of the route lets the caller read";

/** A work queue on which one agent has every right, and how they are taken away. */
async function queueOf(world: World, owner: Owner) {
  const name = await world.channelOf(owner);
  const agentId = owner.agentId;
  return { name, take: () => world.services.channels.putGrant(name, { agentId }) };
}

const posting =
  (bodyOf: (message: object) => object): Repeats =>
  async (world) => {
    const cases: Repeat[] = [];
    for (const by of ["own id", "Idempotency-Key"]) {
      const sender = await world.agent("supervisor");
      const { name, take } = await queueOf(world, sender);
      const named = by === "own id" ? { messageId: world.id("own") } : {};
      const message = {
        sender: sender.agentId,
        receiver: `#${name}`,
        type: "notification",
        payload: { MARK },
        ...named,
      };
      const headers = by === "own id" ? undefined : { "idempotency-key": world.id("key") };
      cases.push({
        says: by,
        by: sender,
        asked: { body: bodyOf(message), headers },
        meanwhile: take,
        code: "CHANNEL_FORBIDDEN",
      });
    }
    return cases;
  };

/** What its holder ended; then another agent says the same under its own name, then the holder when it is deregistered. */
async function endings(
  world: World,
  about: (holder: Owner) => Promise<Ask["params"]>,
  extra: object,
): Promise<Repeat[]> {
  const [holder, other] = [await world.agent("worker"), await world.agent("worker")];
  const body = { agentId: holder.agentId, attempt: 1, ...extra };
  const asked = { params: (await about(holder)) ?? {}, body };
  const more = { agentId: other.agentId };
  const meanwhile = () => world.services.registry.deregister(holder.agentId);
  return [
    { says: "another agent", by: holder, asked, again: other, more, code: "LEASE_LOST" },
    { says: "a deregistered agent", by: holder, asked, meanwhile, code: "AGENT_DEREGISTERED" },
  ];
}

const settled =
  (extra: object = {}): Repeats =>
  (world) =>
    endings(world, async (holder) => ({ messageId: await world.leasedBy(holder) }), extra);

const ended =
  (extra: object): Repeats =>
  (world) =>
    endings(world, async (holder) => ({ taskId: await world.taskOf(holder) }), extra);

export const REPEATS: Readonly<Record<string, string | Repeats>> = {
  "POST /agents":
    "test/contract/security/registration-authority.ts: repeats of enrolments, known by key and Idempotency-Key",
  "DELETE /agents/{agentId}": OWN_NAME,
  "POST /agents/{agentId}/heartbeat": NO_ANSWER_IS_KEPT,
  "POST /agents/{agentId}/token": NO_ANSWER_IS_KEPT,
  "POST /agents/{agentId}/messages/receive": async (world) => {
    const [receiver, other] = [await world.agent("worker"), await world.agent("worker")];
    await world.messageTo(receiver);
    const asked = { params: { agentId: receiver.agentId }, body: { claimId: world.id("claim") } };
    return [{ says: "claimId of another", by: receiver, asked, again: other, code: "FORBIDDEN" }];
  },
  "POST /agents/{agentId}/messages/purge": NO_ANSWER_IS_KEPT,
  "POST /credentials": NO_ANSWER_IS_KEPT,
  "DELETE /credentials/{credentialId}": ONLY_STATE,
  "POST /messages": posting((message) => message),
  "POST /messages/batch": posting((message) => ({ messages: [message] })),
  "POST /messages/settle": async (world) => {
    const holder = await world.agent("worker");
    const settlements = [{ messageId: await world.leasedBy(holder), attempt: 1, outcome: "complete" }];
    const asked = { body: { agentId: holder.agentId, settlements } };
    const meanwhile = () => world.services.registry.deregister(holder.agentId);
    return [{ says: "a deregistered agent", by: holder, asked, meanwhile, code: "AGENT_DEREGISTERED" }];
  },
  "DELETE /messages/{messageId}": async (world) => {
    const [sender, receiver] = [await world.agent("supervisor"), await world.agent("worker")];
    const message = { sender: sender.agentId, receiver: receiver.agentId, type: "notification" };
    const { messageId } = await world.services.messages.send(message);
    const asked = { params: { messageId } };
    return [{ says: "its receiver", by: sender, asked, again: receiver, code: "MESSAGE_NOT_FOUND" }];
  },
  "POST /messages/{messageId}/complete": settled(),
  "POST /messages/{messageId}/retry": settled({ delaySeconds: 100 }),
  "POST /messages/{messageId}/dead-letter": settled(),
  "POST /messages/{messageId}/renew": settled(),
  "POST /channels": async (world) => {
    const cases: Repeat[] = [];
    for (const other of [false, true]) {
      const creator = await world.agent("supervisor");
      const name = world.id("channel");
      const take = () => world.services.channels.putGrant(name, { agentId: creator.agentId });
      const again = other ? await world.agent("supervisor") : creator;
      const code = other ? "ID_TAKEN" : "CHANNEL_FORBIDDEN";
      const asked = { body: { name, kind: "broadcast", description: MARK } };
      cases.push({ says: other ? "another" : "without grants", by: creator, asked, meanwhile: take, again, code });
    }
    return cases;
  },
  "DELETE /channels/{name}": NO_ANSWER_IS_KEPT,
  "PUT /channels/{name}/members/{agentId}": NO_ANSWER_IS_KEPT,
  "DELETE /channels/{name}/members/{agentId}": NO_ANSWER_IS_KEPT,
  "PUT /channels/{name}/grants": NO_ANSWER_IS_KEPT,
  "POST /channels/{name}/messages/receive": async (world) => {
    const member = await world.agent("worker");
    const { name, take } = await queueOf(world, member);
    const asked = { params: { name }, body: { agentId: member.agentId, claimId: world.id("claim") } };
    return [{ says: "claimId without read", by: member, asked, meanwhile: take, code: "CHANNEL_FORBIDDEN" }];
  },
  "POST /channels/{name}/messages/purge": NO_ANSWER_IS_KEPT,
  "POST /dead-letters/redrive": NO_ANSWER_IS_KEPT,
  "POST /dead-letters/purge": NO_ANSWER_IS_KEPT,
  "PUT /message-types/{type}": NO_ANSWER_IS_KEPT,
  "DELETE /message-types/{type}": NO_ANSWER_IS_KEPT,
  "POST /tasks": async (world) => {
    const lead = await world.agent("supervisor");
    const body = { supervisor: lead.agentId, taskType: "walk", taskId: world.id("task") };
    const meanwhile = () => world.services.registry.deregister(lead.agentId);
    return [{ says: "a deregistered supervisor", by: lead, asked: { body }, meanwhile, code: "AGENT_DEREGISTERED" }];
  },
  "POST /tasks/preview": NO_ANSWER_IS_KEPT,
  "POST /tasks/{taskId}/start": ended({}),
  "POST /tasks/{taskId}/progress": ended({ note: MARK }),
  "POST /tasks/{taskId}/complete": ended({ result: { MARK } }),
  "POST /tasks/{taskId}/fail": ended({ error: MARK, retryable: false }),
  "POST /tasks/{taskId}/suspend": ended({ until: { question: { text: MARK } } }),
  "POST /tasks/{taskId}/usage": ended({ usage: [{ inputTokens: 5, outputTokens: 5 }] }),
  "POST /tasks/{taskId}/answer": async (world) => {
    const cases: Repeat[] = [];
    for (const another of [true, false]) {
      const [answerer, other] = [await world.agent("worker"), await world.agent("worker")];
      const { taskId, questionId } = await world.questionTo(answerer);
      const asked = { params: { taskId }, body: { agentId: answerer.agentId, questionId, answer: MARK } };
      const meanwhile = () => world.services.registry.deregister(answerer.agentId);
      cases.push(
        another
          ? {
              says: "another agent",
              by: answerer,
              asked,
              again: other,
              more: { agentId: other.agentId },
              code: "TASK_NOT_FOUND",
            }
          : { says: "a deregistered agent", by: answerer, asked, meanwhile, code: "AGENT_DEREGISTERED" },
      );
    }
    return cases;
  },
  "POST /tasks/{taskId}/cancel": ONLY_STATE,
  "POST /tasks/{taskId}/retry": ONLY_STATE,
  "POST /workflows": async (world) => {
    const lead = await world.agent("supervisor");
    const tasks = [{ ref: "one", taskType: "walk" }];
    const asked = { body: { supervisor: lead.agentId, workflowId: world.id("workflow"), tasks } };
    const meanwhile = () => world.services.registry.deregister(lead.agentId);
    return [{ says: "a deregistered supervisor", by: lead, asked, meanwhile, code: "AGENT_DEREGISTERED" }];
  },
  "POST /workflows/{workflowId}/cancel": ONLY_STATE,
  "POST /workflows/{workflowId}/retry": ONLY_STATE,
  "PUT /schedules/{scheduleId}": OWN_NAME,
  "DELETE /schedules/{scheduleId}": ONLY_STATE,
  "POST /schedules/{scheduleId}/trigger": ONLY_STATE,
  "POST /maintenance": NO_ANSWER_IS_KEPT,
  "POST /keys/rotate": NO_ANSWER_IS_KEPT,
};
