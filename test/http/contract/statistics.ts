import { describe, expect, it } from "@jest/globals";
import { type Api, expectProblem } from "./support.ts";

/** One line of the Prometheus text format: a comment or a sample. */
const PROMETHEUS_LINE = /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[a-z_]+"\})? -?[0-9.e+-]+)$/;

export function statisticsRoutes(api: () => Api): void {
  describe("statistics and upkeep", () => {
    it("count what there is", async () => {
      const agentId = await api().register();
      await api().message(agentId, agentId);
      const queue = await api().ok<{ totalMessages: number }>("GET /stats/queue");
      expect(queue.totalMessages).toBeGreaterThan(0);
      const registry = await api().ok<{ totalAgents: number }>("GET /stats/registry");
      expect(registry.totalAgents).toBeGreaterThan(0);
      const coordination = await api().ok<{ activeAgents: number }>("GET /stats/coordination");
      expect(coordination.activeAgents).toBeGreaterThan(0);
    });

    it("give metrics as JSON, Prometheus text and OpenMetrics", async () => {
      const json = await api().ok("GET /metrics", {}, { headers: { accept: "*/*" } });
      expect(Object.keys(json)).toEqual(["queue", "registry", "coordination", "performance"]);
      const plain = await api().call("GET /metrics", {}, { headers: { accept: "text/plain" } });
      expect(plain.headers["content-type"]).toMatch(/^text\/plain; version=0\.0\.4/);
      const lines = plain.text.trimEnd().split("\n");
      expect(lines.filter((line) => !PROMETHEUS_LINE.test(line))).toEqual([]);
      expect(plain.text).toMatch(/^agent_communication_messages\{status="queued"\} [1-9]/m);
      const open = await api().call(
        "GET /metrics",
        {},
        { headers: { accept: "application/openmetrics-text; version=1.0.0" } },
      );
      expect(open.headers["content-type"]).toMatch(/^application\/openmetrics-text; version=1\.0\.0/);
      expect(open.text.endsWith("\n# EOF\n")).toBe(true);
    });

    it("say that the system is healthy and alive", async () => {
      await api().register();
      expect(await api().ok("GET /health")).toMatchObject({ status: "healthy", checks: { recentActivity: true } });
      expect(await api().ok("GET /health/live")).toEqual({ status: "healthy", checks: {} });
    });

    it("run maintenance with or without an empty body", async () => {
      expect(await api().ok("POST /maintenance")).toMatchObject({ finished: true });
      expect(await api().ok("POST /maintenance", {}, { body: {} })).toMatchObject({ finished: true });
      expectProblem(await api().call("POST /maintenance", {}, { body: { now: true } }), "INVALID_REQUEST");
    });

    it("describe themselves", async () => {
      const document = await api().ok<{ openapi: string }>("GET /openapi.json");
      expect(document.openapi).toMatch(/^3\.1\./);
    });
  });
}
