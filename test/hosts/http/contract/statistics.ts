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

    it("give metrics in the form that Accept prefers, JSON where it does not matter", async () => {
      const json = [
        ...[undefined, "", "*/*", "application/json", "application/json, text/plain, */*", "text/html, */*;q=0.8"],
        ...[
          "text/html",
          "text/plain;q=0.5, application/json",
          "text/plain;q=0, */*",
          "application/*",
          "APPLICATION/JSON",
        ],
        ...["application/json;q=0.9, text/plain;q=0.8", "text/plain, application/json", "text/*;q=0.3, */*;q=0.4"],
      ];
      const plain = [
        "text/plain",
        "text/*",
        "TEXT/PLAIN",
        "text/plain, */*",
        "text/plain;q=0.9, application/json;q=0.5",
      ];
      const open = [
        "application/openmetrics-text",
        "application/openmetrics-text;version=1.0.0;q=0.75,application/openmetrics-text;version=0.0.1;q=0.65,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
      ];
      const wanted = [
        ...json.map((accept) => [accept, "application/json"] as const),
        ...plain.map((accept) => [accept, "text/plain"] as const),
        ...open.map((accept) => [accept, "application/openmetrics-text"] as const),
      ];
      for (const [accept, type] of wanted) {
        const headers: Record<string, string> = accept === undefined ? {} : { accept };
        const answer = await api().call("GET /metrics", {}, { headers });
        expect([accept, answer.headers["content-type"]?.split(";")[0]]).toEqual([accept, type]);
      }
    });

    it("keep every ratio within 0 and 1, whatever fails without having been assigned", async () => {
      const lead = await api().register("supervisor");
      const worker = await api().register("worker", { maxConcurrentTasks: 2 });
      const assign = async (extra: Record<string, unknown>) => {
        const body = { supervisor: lead, taskType: "t", description: "d", maxRetries: 0, ...extra };
        return (await api().ok<{ taskId: string }>("POST /tasks", {}, { body })).taskId;
      };
      const first = await assign({ assignTo: worker });
      await assign({ assignTo: worker });
      for (let i = 0; i < 6; i += 1) await assign({ dependsOn: [first] });
      const body = { agentId: worker, attempt: 1, error: "no", retryable: false };
      await api().ok("POST /tasks/{taskId}/fail", { taskId: first }, { body });
      await api().ok("POST /agents", {}, { body: { agentId: worker, role: "worker", maxConcurrentTasks: 1 } });
      const { performance } = await api().ok<{ performance: Record<string, number> }>("GET /metrics");
      for (const name of ["agentUtilization", "taskCompletionRate", "errorRate"]) {
        expect([name, Number(performance[name]) >= 0 && Number(performance[name]) <= 1]).toEqual([name, true]);
      }
      const { text } = await api().call("GET /metrics", {}, { headers: { accept: "text/plain" } });
      const ratios = [...text.matchAll(/^agent_communication_\w+_ratio (.+)$/gm)].map((match) => Number(match[1]));
      expect([ratios.length, ratios.filter((ratio) => !(ratio >= 0 && ratio <= 1))]).toEqual([3, []]);
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
