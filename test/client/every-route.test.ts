import { describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../src/client/agent-client.ts";
import { routes } from "../../src/functions/route-table.ts";

/** The client has a method for each route of the table, and each asks exactly for its route. */
describe("AgentClient", () => {
  const settlement = { agentId: "a", attempt: 1 };
  const message = { sender: "a", receiver: "b", type: "query" };
  const task = { supervisor: "a", taskType: "t" };
  const calls: Record<string, (client: AgentClient) => Promise<unknown>> = {
    "POST /agents": (client) => client.registerAgent({ agentId: "a", role: "worker" }),
    "GET /agents": (client) => client.listAgents({ role: "worker", limit: 3 }),
    "GET /agents/{agentId}": (client) => client.getAgent("a"),
    "DELETE /agents/{agentId}": (client) => client.deregisterAgent("a"),
    "POST /agents/{agentId}/heartbeat": (client) => client.heartbeat("a"),
    "GET /token": (client) => client.getOwnToken(),
    "POST /agents/{agentId}/token": (client) => client.renewToken("a"),
    "POST /credentials": (client) => client.issueCredential({ kind: "token", agentId: "a" }),
    "GET /credentials": (client) => client.listCredentials({ kind: "token", limit: 3 }),
    "DELETE /credentials/{credentialId}": (client) => client.revokeCredential("c"),
    "POST /messages": (client) => client.sendMessage(message),
    "POST /messages/batch": (client) => client.sendMessages([message]),
    "GET /messages/{messageId}": (client) => client.getMessage("m"),
    "DELETE /messages/{messageId}": (client) => client.withdrawMessage("m"),
    "POST /agents/{agentId}/messages/purge": (client) => client.purgeMailbox("a", { filter: {} }),
    "POST /agents/{agentId}/messages/receive": (client) => client.receiveMessages("a", { maxMessages: 2 }),
    "GET /agents/{agentId}/messages": (client) => client.peekMessages("a"),
    "POST /messages/{messageId}/complete": (client) => client.completeMessage("m", settlement),
    "POST /messages/{messageId}/retry": (client) => client.retryMessage("m", settlement),
    "POST /messages/{messageId}/dead-letter": (client) => client.deadLetterMessage("m", settlement),
    "POST /messages/{messageId}/renew": (client) => client.renewMessage("m", settlement),
    "POST /messages/settle": (client) =>
      client.settleMessages({ agentId: "a", settlements: [{ messageId: "m", attempt: 1, outcome: "complete" }] }),
    "POST /channels": (client) => client.createChannel({ name: "n", kind: "broadcast" }),
    "GET /channels": (client) => client.listChannels({ kind: "work_queue" }),
    "GET /channels/{name}": (client) => client.getChannel("n"),
    "DELETE /channels/{name}": (client) => client.deleteChannel("n"),
    "GET /channels/{name}/members": (client) => client.listChannelMembers("n"),
    "PUT /channels/{name}/members/{agentId}": (client) => client.addChannelMember("n", "a"),
    "DELETE /channels/{name}/members/{agentId}": (client) => client.removeChannelMember("n", "a"),
    "PUT /channels/{name}/grants": (client) => client.putChannelGrant("n", { role: "worker", post: true }),
    "POST /channels/{name}/messages/receive": (client) => client.receiveFromChannel("n", { agentId: "a" }),
    "GET /channels/{name}/messages": (client) => client.peekChannel("n"),
    "POST /channels/{name}/messages/purge": (client) => client.purgeChannel("n", { filter: {} }),
    "GET /dead-letters": (client) => client.listDeadLetters(),
    "POST /dead-letters/redrive": (client) => client.redriveDeadLetters({ messageIds: ["m"] }),
    "POST /dead-letters/purge": (client) => client.purgeDeadLetters({ filter: {} }),
    "POST /tasks": (client) => client.assignTask(task),
    "POST /tasks/preview": (client) => client.previewTask(task),
    "GET /tasks": (client) => client.listTasks(),
    "GET /tasks/{taskId}": (client) => client.getTask("t"),
    "GET /tasks/{taskId}/assignment": (client) => client.getAssignments("t"),
    "GET /tasks/{taskId}/history": (client) => client.getTaskHistory("t"),
    "POST /tasks/{taskId}/start": (client) => client.startTask("t", settlement),
    "POST /tasks/{taskId}/progress": (client) => client.progressTask("t", { ...settlement, percent: 5 }),
    "POST /tasks/{taskId}/complete": (client) => client.completeTask("t", settlement),
    "POST /tasks/{taskId}/fail": (client) => client.failTask("t", { ...settlement, error: "e" }),
    "POST /tasks/{taskId}/cancel": (client) => client.cancelTask("t"),
    "GET /stats/queue": (client) => client.queueStatistics(),
    "GET /stats/registry": (client) => client.registryStatistics(),
    "GET /stats/coordination": (client) => client.coordinationStatistics(),
    "GET /metrics": (client) => client.metrics(),
    "GET /health": (client) => client.health(),
    "GET /health/live": (client) => client.live(),
    "GET /audit": (client) => client.listAudit({ actor: "a" }),
    "GET /audit/blocks": (client) => client.listAuditBlocks({ after: 3 }),
    "GET /audit/blocks/{blockNo}": (client) => client.getAuditBlock(7),
    "GET /audit/digest": (client) => client.getAuditDigest(),
    "POST /maintenance": (client) => client.runMaintenance(),
    "POST /keys/rotate": (client) => client.rotateKeys({ newVersion: true }),
    "PUT /message-types/{type}": (client) => client.putMessageType("x.y", true),
    "GET /message-types/{type}": (client) => client.getMessageType("x.y"),
    "DELETE /message-types/{type}": (client) => client.deleteMessageType("x.y"),
    "GET /message-types": (client) => client.listMessageTypes(),
    "GET /openapi.json": (client) => client.openapi(),
  };

  it("has a method for every route", () => {
    expect(Object.keys(calls).sort()).toEqual(routes.map(({ key }) => key).sort());
  });

  for (const route of routes) {
    it(`asks for ${route.key} with a body that the route accepts`, async () => {
      const asked: { line: string; body: unknown }[] = [];
      const client = new AgentClient({
        baseUrl: "http://127.0.0.1:9/api",
        fetch: async (url, init) => {
          const body: unknown = typeof init.body === "string" ? JSON.parse(init.body) : undefined;
          asked.push({ line: `${init.method} ${new URL(url).pathname}`, body });
          return new Response("{}");
        },
      });
      await calls[route.key]?.(client);
      const ids = {
        agentId: "a",
        messageId: "m",
        taskId: "t",
        type: "x.y",
        credentialId: "c",
        name: "n",
        blockNo: "7",
      };
      const path = Object.entries(ids).reduce((text, [name, id]) => text.replace(`{${name}}`, id), route.key as string);
      expect(asked.map(({ line }) => line)).toEqual([path.replace(" ", " /api")]);
      if (route.body !== undefined) expect(route.body.safeParse(asked[0]?.body).error).toBeUndefined();
    });
  }
});
