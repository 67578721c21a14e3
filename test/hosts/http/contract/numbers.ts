import { describe, expect, it } from "@jest/globals";
import { type Api, expectProblem } from "./support.ts";

/** The first integer that a double does not hold. */
const CHANGED = "9007199254740993";

/** Numbers arrive as they were sent, or are refused with their place: RFC 7493. */
export function numbers(api: () => Api): void {
  describe("numbers that JSON readers would change are refused", () => {
    it("in every free field, at their place", async () => {
      const agentId = await api().register();
      const lead = await api().register("supervisor");
      const message = `"sender":"${agentId}","receiver":"${agentId}","type":"query"`;
      const settled = `"agentId":"${agentId}","attempt":1`;
      const type = api().id("type").replaceAll("-", "_");
      const bodies: [method: string, path: string, raw: string, place: string][] = [
        ["POST", "/messages", `{${message},"payload":{"order":{"id":${CHANGED}}}}`, "payload.order.id"],
        ["POST", "/messages", `{${message},"payload":${CHANGED}}`, "payload"],
        ["POST", "/messages", `{${message},"payload":[1,${CHANGED}.0]}`, "payload.1"],
        ["POST", "/messages", `{${message},"payload":1e400}`, "payload"],
        [
          "POST",
          "/messages/batch",
          `{"messages":[{${message}},{${message},"payload":[${CHANGED}]}]}`,
          "messages.1.payload.0",
        ],
        [
          "POST",
          "/tasks",
          `{"supervisor":"${lead}","taskType":"t","description":"d","parameters":{"n":-${CHANGED}}}`,
          "parameters.n",
        ],
        [
          "POST",
          "/tasks/preview",
          `{"supervisor":"${lead}","taskType":"t","description":"d","parameters":{"n":${CHANGED}}}`,
          "parameters.n",
        ],
        ["POST", `/tasks/${api().id("task")}/complete`, `{${settled},"result":{"n":${CHANGED}}}`, "result.n"],
        ["POST", "/agents", `{"agentId":"${agentId}","role":"worker","metadata":{"n":${CHANGED}}}`, "metadata.n"],
        [
          "PUT",
          `/message-types/${type}`,
          `{"schema":{"properties":{"n":{"maximum":${CHANGED}}}}}`,
          "schema.properties.n.maximum",
        ],
      ];
      for (const [method, path, raw, place] of bodies) {
        const problem = expectProblem(await api().send(method, path, { raw }), "INVALID_REQUEST");
        expect([path, problem.errors?.map((error) => error.path)]).toEqual([path, [place]]);
        expect(problem.detail).not.toContain(CHANGED);
      }
      expect(await api().receive(agentId)).toEqual([]);
    });

    it("so that two sends which differ there are no repeat", async () => {
      const agentId = await api().register();
      const messageId = api().id("message");
      const body = (n: string) =>
        `{"sender":"${agentId}","receiver":"${agentId}","type":"query","messageId":"${messageId}","payload":{"n":${n}}}`;
      expect((await api().send("POST", "/messages", { raw: body("9007199254740992") })).status).toBe(202);
      expectProblem(await api().send("POST", "/messages", { raw: body(CHANGED) }), "INVALID_REQUEST");
      expectProblem(await api().send("POST", "/messages", { raw: body("9007199254740994") }), "IDEMPOTENCY_MISMATCH");
    });

    it("and what keeps its value passes: exact ones, measures, fractions, digits in texts", async () => {
      const agentId = await api().register();
      const payload = `[9007199254740992, 1.7e18, 1700000000000000000, 6.02214076e23, 3.14159265358979323846, -0, "${CHANGED}", {"${CHANGED}": 1}]`;
      const raw = `{"sender":"${agentId}","receiver":"${agentId}","type":"query","payload":${payload}}`;
      expect((await api().send("POST", "/messages", { raw })).status).toBe(202);
      expect((await api().receive(agentId))[0]?.payload).toEqual([
        ...[9_007_199_254_740_992, 1.7e18, 1.7e18, 6.022_140_76e23, Math.PI, 0, CHANGED],
        { [CHANGED]: 1 },
      ]);
    });
  });
}
