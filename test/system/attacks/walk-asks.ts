import type { Ask, Owner, World } from "./walk-world.ts";
import { MARK } from "./walk-world.ts";

/** A valid request of every route, about what is the owner's. A route without one fails the walk. */

type AskFor = (world: World, owner: Owner) => Promise<Ask> | Ask;

const ofAgent: AskFor = (_world, { agentId }) => ({ params: { agentId } });
const settling =
  (extra: object = {}): AskFor =>
  async (world, owner) => ({
    params: { messageId: await world.leasedBy(owner) },
    body: { agentId: owner.agentId, attempt: 1, ...extra },
  });
const ofTask: AskFor = async (world, owner) => ({ params: { taskId: await world.taskOf(owner) } });
const working =
  (extra: object = {}): AskFor =>
  async (world, owner) => ({
    params: { taskId: await world.taskOf(owner, { started: false }) },
    body: { agentId: owner.agentId, attempt: 1, ...extra },
  });
const assigning: AskFor = (_world, { agentId }) => ({
  body: { supervisor: agentId, taskType: "walk", description: MARK, parameters: { MARK } },
});
const ofChannel: AskFor = async (world, owner) => ({ params: { name: await world.channelOf(owner) } });
const ofMember: AskFor = async (world, owner) => ({
  params: { name: await world.channelOf(owner), agentId: (await world.agent("worker")).agentId },
});
const nothing: AskFor = () => ({});

async function message(world: World, sender: string) {
  const { agentId: receiver } = await world.agent("worker");
  return { sender, receiver, type: "notification", payload: { MARK } };
}

export const ASKS: Readonly<Record<string, AskFor>> = {
  "GET /audit": nothing,
  "GET /audit/blocks": nothing,
  "GET /audit/blocks/{blockNo}": async (world) => {
    // Seals what there is.
    await world.services.store.maintain();
    return { params: { blockNo: "1" } };
  },
  "GET /audit/digest": nothing,
  "POST /agents": (_world, { agentId, role }) => ({ body: { agentId, role, metadata: { MARK } } }),
  "GET /agents": nothing,
  "GET /directory": nothing,
  "GET /agents/{agentId}": ofAgent,
  "DELETE /agents/{agentId}": ofAgent,
  "POST /agents/{agentId}/heartbeat": ofAgent,
  "GET /token": nothing,
  "POST /agents/{agentId}/token": ofAgent,
  "POST /agents/{agentId}/messages/receive": async (world, owner) => {
    await world.messageTo(owner);
    return ofAgent(world, owner);
  },
  "GET /agents/{agentId}/messages": async (world, owner) => {
    await world.messageTo(owner);
    return ofAgent(world, owner);
  },
  "POST /agents/{agentId}/messages/purge": async (world, owner) => {
    await world.messageTo(owner);
    return { ...(await ofAgent(world, owner)), body: { filter: {} } };
  },
  "POST /credentials": (_world, { agentId }) => ({ body: { kind: "token", agentId, label: "walk" } }),
  "GET /credentials": async (world, owner) => {
    await world.tokenOf(owner);
    return { query: { agentId: owner.agentId } };
  },
  "DELETE /credentials/{credentialId}": async (world, owner) => ({
    params: { credentialId: await world.tokenOf(owner) },
  }),
  "POST /messages": async (world, { agentId }) => ({ body: await message(world, agentId) }),
  "POST /messages/batch": async (world, { agentId }) => ({ body: { messages: [await message(world, agentId)] } }),
  "POST /messages/settle": async (world, owner) => ({
    body: {
      agentId: owner.agentId,
      settlements: [{ messageId: await world.leasedBy(owner), attempt: 1, outcome: "complete" }],
    },
  }),
  "GET /messages/{messageId}": async (world, owner) => ({ params: { messageId: await world.messageTo(owner) } }),
  "DELETE /messages/{messageId}": async (world, owner) => ({ params: { messageId: await world.messageBy(owner) } }),
  "POST /messages/{messageId}/complete": settling(),
  "POST /messages/{messageId}/retry": settling({ reason: MARK }),
  "POST /messages/{messageId}/dead-letter": settling({ reason: MARK }),
  "POST /messages/{messageId}/renew": settling(),
  "POST /channels": (world) => ({ body: { name: world.id("channel"), kind: "broadcast", description: MARK } }),
  "GET /channels": async (world, owner) => {
    await world.channelOf(owner);
    return {};
  },
  "GET /channels/{name}": ofChannel,
  "DELETE /channels/{name}": ofChannel,
  "GET /channels/{name}/members": ofChannel,
  "PUT /channels/{name}/members/{agentId}": ofMember,
  "DELETE /channels/{name}/members/{agentId}": ofMember,
  "PUT /channels/{name}/grants": async (world, owner) => ({
    ...(await ofChannel(world, owner)),
    body: { role: "worker", post: true },
  }),
  "POST /channels/{name}/messages/receive": async (world, owner) => ({
    ...(await ofChannel(world, owner)),
    body: { agentId: owner.agentId },
  }),
  "GET /channels/{name}/messages": ofChannel,
  "POST /channels/{name}/messages/purge": async (world, owner) => ({
    ...(await ofChannel(world, owner)),
    body: { filter: {} },
  }),
  "GET /dead-letters": async (world, owner) => {
    await world.deadLetterOf(owner);
    return { query: { receiver: owner.agentId } };
  },
  "POST /dead-letters/redrive": async (world, owner) => ({ body: { messageIds: [await world.deadLetterOf(owner)] } }),
  "POST /dead-letters/purge": async (world, owner) => ({ body: { messageIds: [await world.deadLetterOf(owner)] } }),
  "PUT /message-types/{type}": async (world) => ({ params: { type: await world.messageType() }, body: { schema: {} } }),
  "GET /message-types": nothing,
  "GET /message-types/{type}": async (world) => ({ params: { type: await world.messageType() } }),
  "DELETE /message-types/{type}": async (world) => ({ params: { type: await world.messageType() } }),
  "POST /tasks": assigning,
  "POST /tasks/preview": assigning,
  "GET /tasks": async (world, owner) => {
    await world.taskOf(owner);
    return { query: { [owner.role === "worker" ? "assignedTo" : "supervisor"]: owner.agentId } };
  },
  "GET /tasks/{taskId}": ofTask,
  "GET /tasks/{taskId}/assignment": ofTask,
  "GET /tasks/{taskId}/history": ofTask,
  "GET /tasks/{taskId}/dependencies": ofTask,
  "POST /tasks/{taskId}/start": working(),
  "POST /tasks/{taskId}/progress": working({ note: MARK }),
  "POST /tasks/{taskId}/complete": working({ result: { MARK } }),
  "POST /tasks/{taskId}/fail": working({ error: MARK }),
  "POST /tasks/{taskId}/suspend": working({ checkpoint: { MARK }, until: { question: { text: MARK } } }),
  "POST /tasks/{taskId}/usage": working({ usage: [{ model: "walk", inputTokens: 5, outputTokens: 5 }] }),
  "GET /usage": async (world, owner) => {
    const taskId = await world.taskOf(owner);
    const task = owner.exists ? await world.services.coordinator.get(taskId) : undefined;
    if (task?.assignedTo !== undefined) {
      const usage = [{ model: "walk", inputTokens: 5, outputTokens: 5 }];
      await world.services.usage.report(taskId, { agentId: task.assignedTo, attempt: 1, usage });
    }
    return { query: { supervisor: owner.agentId } };
  },
  "POST /tasks/{taskId}/answer": async (world, owner) => {
    const { taskId, questionId } = await world.questionTo(owner);
    return { params: { taskId }, body: { agentId: owner.agentId, questionId, answer: MARK } };
  },
  "POST /tasks/{taskId}/cancel": async (world, owner) => ({ ...(await ofTask(world, owner)), body: { reason: MARK } }),
  "POST /tasks/{taskId}/retry": async (world, owner) => ({ ...(await ofTask(world, owner)), body: { reason: MARK } }),
  "GET /questions": async (world, owner) => {
    await world.questionTo(owner);
    return { query: { agentId: owner.agentId } };
  },
  "POST /workflows": (world, { agentId }) => ({
    body: {
      supervisor: agentId,
      tasks: [{ ref: "one", taskType: "walk", taskId: world.id("task"), description: MARK, parameters: { MARK } }],
    },
  }),
  "GET /workflows": async (world, owner) => {
    await world.workflowOf(owner);
    return { query: { supervisor: owner.agentId } };
  },
  "GET /workflows/{workflowId}": async (world, owner) => ({ params: { workflowId: await world.workflowOf(owner) } }),
  "POST /workflows/{workflowId}/cancel": async (world, owner) => ({
    params: { workflowId: await world.workflowOf(owner) },
    body: { reason: MARK },
  }),
  "POST /workflows/{workflowId}/retry": async (world, owner) => ({
    params: { workflowId: await world.workflowOf(owner) },
    body: { reason: MARK },
  }),
  "PUT /schedules/{scheduleId}": (world, { agentId }) => ({
    params: { scheduleId: world.id("schedule") },
    body: {
      supervisor: agentId,
      cron: "0 3 * * *",
      task: { taskType: "walk", description: MARK, parameters: { MARK } },
    },
  }),
  "GET /schedules": async (world, owner) => {
    await world.scheduleOf(owner);
    return { query: { supervisor: owner.agentId } };
  },
  "GET /schedules/{scheduleId}": async (world, owner) => ({ params: { scheduleId: await world.scheduleOf(owner) } }),
  "DELETE /schedules/{scheduleId}": async (world, owner) => ({ params: { scheduleId: await world.scheduleOf(owner) } }),
  "POST /schedules/{scheduleId}/trigger": async (world, owner) => ({
    params: { scheduleId: await world.scheduleOf(owner) },
  }),
  "GET /stats/queue": nothing,
  "GET /stats/registry": nothing,
  "GET /stats/coordination": nothing,
  "GET /metrics": nothing,
  "GET /health": nothing,
  "GET /health/live": nothing,
  "POST /maintenance": nothing,
  "POST /keys/rotate": nothing,
  "GET /openapi.json": nothing,
};
