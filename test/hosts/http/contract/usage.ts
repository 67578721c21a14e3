import { describe, expect, it } from "@jest/globals";
import { type Api, expectProblem } from "./support.ts";

interface Line {
  inputTokens: number;
  model?: string;
  hour?: string;
}

const USED = { provider: "openai", model: "gpt-5", inputTokens: 900, outputTokens: 80 };

export function usageRoutes(api: () => Api): void {
  describe("usage", () => {
    async function running() {
      const capability = api().id("cap");
      const supervisor = await api().register("supervisor");
      const worker = await api().register("worker", { capabilities: [capability] });
      const body = { supervisor, taskType: "build", requiredCapabilities: [capability] };
      const { taskId } = await api().ok<{ taskId: string }>("POST /tasks", {}, { body });
      return { taskId, supervisor, worker, mine: { agentId: worker, attempt: 1 } };
    }
    const sums = async (query: string) =>
      (await api().ok<{ usage: Line[] }>("GET /usage", {}, { query })).usage.map(({ inputTokens }) => inputTokens);

    it("comes with progress, completion or alone, and is read with the task and in sums", async () => {
      const { taskId, supervisor, mine } = await running();
      await api().ok("POST /tasks/{taskId}/progress", { taskId }, { body: { ...mine, percent: 1, usage: [USED] } });
      const more = [
        { ...USED, inputTokens: 1_000 },
        { model: "small", inputTokens: 5, outputTokens: 0, costMicros: 3 },
      ];
      await api().ok("POST /tasks/{taskId}/complete", { taskId }, { body: { ...mine, result: 1, usage: more } });
      const late = { ...mine, usage: [{ ...USED, outputTokens: 100 }] };
      const reply = await api().ok<{ usage: object[] }>("POST /tasks/{taskId}/usage", { taskId }, { body: late });
      expect(reply).toMatchObject({ taskId, attempt: 1 });
      expect(reply.usage).toEqual([
        expect.objectContaining({ model: "small", inputTokens: 5, costMicros: 3 }),
        {
          ...USED,
          inputTokens: 1_000,
          outputTokens: 100,
          cacheReadInputTokens: 0,
          cacheWriteInputTokens: 0,
          reasoningOutputTokens: 0,
          costMicros: 0,
        },
      ]);
      expect(await api().ok("GET /tasks/{taskId}", { taskId })).toMatchObject({ usage: reply.usage });
      expect(await sums(`supervisor=${supervisor}`)).toEqual([1_005]);
      expect(await sums(`supervisor=${supervisor}&by=model`)).toEqual([1_000, 5]);
      const { from, to, usage } = await api().ok<{ from: string; to: string; usage: Line[] }>(
        "GET /usage",
        {},
        { query: `supervisor=${supervisor}&by=hour,agent,taskType` },
      );
      expect(usage).toEqual([
        expect.objectContaining({ agentId: mine.agentId, taskType: "build", inputTokens: 1_005 }),
      ]);
      expect(Date.parse(to) - Date.parse(from)).toBe(30 * 86_400_000);
      expect(Date.parse(to)).toBeGreaterThan(Date.now());
      expect(Date.parse(usage[0]?.hour ?? "")).toBe(Date.parse(to) - 3_600_000);
    });

    it("comes with a failure and a suspension", async () => {
      const { taskId, supervisor, mine } = await running();
      const until = { question: { text: "Go on?" } };
      await api().ok("POST /tasks/{taskId}/suspend", { taskId }, { body: { ...mine, until, usage: [USED] } });
      const other = await running();
      const failure = { ...other.mine, error: "e", usage: [USED] };
      await api().ok("POST /tasks/{taskId}/fail", { taskId: other.taskId }, { body: failure });
      expect(await sums(`supervisor=${supervisor}`)).toEqual([900]);
      expect(await sums(`supervisor=${other.supervisor}`)).toEqual([900]);
    });

    it("is narrowed to hours, which the times may cut", async () => {
      const { taskId, supervisor, mine } = await running();
      await api().ok("POST /tasks/{taskId}/usage", { taskId }, { body: { ...mine, usage: [USED] } });
      const hour = Math.floor(Date.now() / 3_600_000) * 3_600_000;
      const at = (milliseconds: number) => new Date(milliseconds).toISOString();
      const of = (from: number, to: number) => sums(`supervisor=${supervisor}&from=${at(from)}&to=${at(to)}`);
      // The report may have come in the hour before.
      expect(await of(hour - 1, hour + 1)).toEqual([900]);
      expect(await of(hour + 3_600_000, hour + 2 * 3_600_000)).toEqual([]);
      expect(await of(hour - 7_200_000, hour - 3_600_000)).toEqual([]);
    });

    it.each([
      ["by=models", "by"],
      ["by=model,model", "by"],
      ["by=", "by"],
      ["from=yesterday", "from"],
      ["from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z", "to"],
      ["supervisor=%20", "supervisor"],
      ["limit=0", "limit"],
      ["cursor=abc", "cursor"],
    ])("refuses the query %s", async (query, path) => {
      const refused = await api().call("GET /usage", {}, { query });
      expectProblem(refused, "INVALID_REQUEST");
      expect(refused.json).toMatchObject({ errors: [{ path }] });
    });

    it.each([
      [[{ ...USED, inputTokens: -1 }], "usage.0.inputTokens"],
      [[{ ...USED, outputTokens: 1.5 }], "usage.0.outputTokens"],
      [[{ ...USED, costMicros: 1_000_000_000_000_001 }], "usage.0.costMicros"],
      [[{ ...USED, cacheReadInputTokens: "5" }], "usage.0.cacheReadInputTokens"],
      [[USED, USED], "usage.1"],
      [[{ ...USED, provider: "" }], "usage.0.provider"],
      [[{ model: "m", inputTokens: 1 }], "usage.0.outputTokens"],
      [Array.from({ length: 9 }, (_, n) => ({ ...USED, model: `m${n}` })), "usage"],
      [USED, "usage"],
    ])("refuses the report %j, and changes nothing", async (usage, path) => {
      const { taskId, mine } = await running();
      const before = await api().ok("GET /tasks/{taskId}", { taskId });
      for (const [route, more] of [
        ["POST /tasks/{taskId}/usage", {}],
        ["POST /tasks/{taskId}/progress", {}],
        ["POST /tasks/{taskId}/complete", {}],
        ["POST /tasks/{taskId}/fail", { error: "e" }],
        ["POST /tasks/{taskId}/suspend", { until: { question: { text: "?" } } }],
      ] as const) {
        const refused = await api().call(route, { taskId }, { body: { ...mine, ...more, usage } });
        expectProblem(refused, "INVALID_REQUEST");
        expect(refused.json).toMatchObject({ errors: [{ path }] });
      }
      expect(await api().ok("GET /tasks/{taskId}", { taskId })).toEqual(before);
    });

    it("is refused to another agent and beyond 32 models", async () => {
      const { taskId, mine } = await running();
      const other = await api().register("worker");
      const report = (body: object) => api().call("POST /tasks/{taskId}/usage", { taskId }, { body });
      expectProblem(await report({ agentId: other, attempt: 1, usage: [USED] }), "LEASE_LOST");
      expectProblem(await report({ ...mine, attempt: 2, usage: [USED] }), "LEASE_LOST");
      for (let n = 0; n < 32; n += 8) {
        const usage = Array.from({ length: 8 }, (_, m) => ({ ...USED, model: `m${n + m}` }));
        await api().ok("POST /tasks/{taskId}/usage", { taskId }, { body: { ...mine, usage } });
      }
      expectProblem(await report({ ...mine, usage: [USED] }), "USAGE_LIMIT");
    });
  });
}
