import { describe, expect, it } from "@jest/globals";
import { type Api, expectProblem } from "./support.ts";

export function agentRoutes(api: () => Api): void {
  describe("agents", () => {
    it("registers with 201, and again with 200", async () => {
      const agentId = api().id("agent");
      const body = { agentId, role: "worker", capabilities: ["python", "c++"], metadata: { team: "ä" } };
      expect((await api().call("POST /agents", {}, { body })).status).toBe(201);
      const again = await api().call("POST /agents", {}, { body: { ...body, maxConcurrentTasks: 4 } });
      expect(again.status).toBe(200);
      const agent = await api().ok("GET /agents/{agentId}", { agentId });
      expect(agent).toMatchObject({ agentId, maxConcurrentTasks: 4, status: "active", metadata: { team: "ä" } });
    });

    it("lists by id in pages, filtered, and refuses a foreign cursor", async () => {
      const capability = api().id("cap");
      const ids: string[] = [];
      for (let n = 0; n < 3; n += 1) ids.push(await api().register("worker", { capabilities: [capability] }));
      type Page = { agents: { agentId: string }[]; nextCursor: string | null };
      const first = await api().ok<Page>("GET /agents", {}, { query: `capability=${capability}&limit=2` });
      expect(first.agents).toHaveLength(2);
      const cursor = encodeURIComponent(first.nextCursor ?? "");
      const second = await api().ok<Page>(
        "GET /agents",
        {},
        { query: `capability=${capability}&limit=2&cursor=${cursor}` },
      );
      expect(second.nextCursor).toBeNull();
      expect([...first.agents, ...second.agents].map((agent) => agent.agentId)).toEqual([...ids].sort());
      expectProblem(await api().call("GET /tasks", {}, { query: `cursor=${cursor}` }), "INVALID_REQUEST");
      expectProblem(await api().call("GET /agents", {}, { query: "cursor=nonsense" }), "INVALID_REQUEST");
    });

    it("names in the directory whom one may write to, without the deregistered", async () => {
      const capability = api().id("cap");
      const [here, gone] = [
        await api().register("worker", { capabilities: [capability], metadata: { team: "b" } }),
        await api().register("worker", { capabilities: [capability] }),
      ];
      await api().ok("DELETE /agents/{agentId}", { agentId: gone });
      expect(await api().ok("GET /directory", {}, { query: `capability=${capability}` })).toEqual({
        agents: [{ agentId: here, role: "worker", capabilities: [capability], status: "active" }],
        nextCursor: null,
      });
      const query = "status=deregistered";
      expectProblem(await api().call("GET /directory", {}, { query }), "INVALID_REQUEST");
    });

    it("answers heartbeats with what waits, and drains", async () => {
      const agentId = await api().register();
      await api().message(agentId, agentId);
      const beat = await api().ok("POST /agents/{agentId}/heartbeat", { agentId });
      expect(beat).toMatchObject({ status: "active", pendingMessages: 1, tasks: [] });
      const draining = await api().ok(
        "POST /agents/{agentId}/heartbeat",
        { agentId },
        { body: { status: "draining" } },
      );
      expect(draining).toMatchObject({ status: "draining" });
    });

    it("answers heartbeats with a third of the agent's own timeout, in whole seconds, or with the setting", async () => {
      const agentId = await api().register("worker");
      const beat = () => api().ok("POST /agents/{agentId}/heartbeat", { agentId });
      const { heartbeatIntervalSeconds: setting } = await beat();
      expect(await api().ok("GET /agents/{agentId}", { agentId })).not.toHaveProperty("heartbeatTimeoutSeconds");
      for (const [timeout, interval] of [
        [10, 3],
        [86_400, 28_800],
      ]) {
        await api().ok("POST /agents", {}, { body: { agentId, role: "worker", heartbeatTimeoutSeconds: timeout } });
        expect(await beat()).toMatchObject({ heartbeatIntervalSeconds: interval });
        expect(await api().ok("GET /agents/{agentId}", { agentId })).toMatchObject({
          heartbeatTimeoutSeconds: timeout,
        });
      }
      await api().ok("POST /agents", {}, { body: { agentId, role: "worker" } });
      expect(await beat()).toMatchObject({ heartbeatIntervalSeconds: setting });
    });

    it.each([9, 86_401, 10.5, "30", null])("refuses a timeout of %p", async (heartbeatTimeoutSeconds) => {
      const body = { agentId: api().id("never"), role: "worker", heartbeatTimeoutSeconds };
      expectProblem(await api().call("POST /agents", {}, { body }), "INVALID_REQUEST");
    });

    it("deregisters; then heartbeats are refused until it registers", async () => {
      const agentId = await api().register();
      expect(await api().ok("DELETE /agents/{agentId}", { agentId })).toMatchObject({ status: "deregistered" });
      expectProblem(await api().call("POST /agents/{agentId}/heartbeat", { agentId }), "AGENT_DEREGISTERED");
    });

    it("does not know unknown agents", async () => {
      const agentId = api().id("nobody");
      expectProblem(await api().call("GET /agents/{agentId}", { agentId }), "AGENT_NOT_FOUND");
      expectProblem(await api().call("DELETE /agents/{agentId}", { agentId }), "AGENT_NOT_FOUND");
      expectProblem(await api().call("POST /agents/{agentId}/heartbeat", { agentId }), "AGENT_NOT_FOUND");
      expectProblem(await api().call("POST /agents/{agentId}/messages/receive", { agentId }), "AGENT_NOT_FOUND");
      expectProblem(await api().call("GET /agents/{agentId}/messages", { agentId }), "AGENT_NOT_FOUND");
    });

    it("reserves the name of the switchboard", async () => {
      const answer = await api().call("POST /agents", {}, { body: { agentId: "system", role: "worker" } });
      expect(expectProblem(answer, "INVALID_REQUEST").errors).toEqual([expect.objectContaining({ path: "agentId" })]);
    });
  });
}
