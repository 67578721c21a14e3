import { describe, expect, it } from "@jest/globals";
import { type Api, expectProblem } from "./support.ts";

/** A name stands once in an object, or the request is refused with its place: RFC 7493. */
export function names(api: () => Api): void {
  describe("names that one object has twice are refused", () => {
    it("in every free field and in the request itself, at their place", async () => {
      const agentId = await api().register();
      const lead = await api().register("supervisor");
      const message = `"sender":"${agentId}","receiver":"${agentId}","type":"query"`;
      const task = `"supervisor":"${lead}","taskType":"t"`;
      const twice = '{"a":[0,{"b":1,"b":2}]}';
      const bodies: [method: string, path: string, raw: string, place: string][] = [
        ["POST", "/messages", `{${message},"payload":${twice}}`, "payload.a.1.b"],
        // What a gateway has looked at is not what would be done.
        ["POST", "/messages", `{"sender":"${lead}",${message}}`, "sender"],
        ["POST", "/messages/batch", `{"messages":[{${message}},{${message},"type":"query"}]}`, "messages.1.type"],
        ["POST", "/tasks", `{${task},"parameters":${twice}}`, "parameters.a.1.b"],
        ["POST", "/tasks/preview", `{${task},"parameters":${twice}}`, "parameters.a.1.b"],
        [
          "POST",
          `/tasks/${api().id("task")}/complete`,
          `{"agentId":"a","attempt":1,"result":${twice}}`,
          "result.a.1.b",
        ],
        ["POST", "/agents", `{"agentId":"${agentId}","role":"worker","metadata":${twice}}`, "metadata.a.1.b"],
        [
          "PUT",
          `/message-types/${api().id("type").replaceAll("-", "_")}`,
          `{"schema":{"type":"a","type":"b"}}`,
          "schema.type",
        ],
        [
          "POST",
          "/messages",
          `{${message},"payload":{"text":"${"x".repeat(20_000)}","\\u0074ext":""}}`,
          "payload.text",
        ],
      ];
      for (const [method, path, raw, place] of bodies) {
        const problem = expectProblem(await api().send(method, path, { raw }), "INVALID_REQUEST");
        expect([path, problem.errors?.map((error) => error.path)]).toEqual([path, [place]]);
      }
      expect(await api().receive(agentId)).toEqual([]);
    });

    it("and the same name in different objects passes", async () => {
      const agentId = await api().register();
      const payload = { id: 1, part: { id: 2, parts: [{ id: 3 }, { id: 4 }] }, "__proto__ ": { id: 5 } };
      const raw = JSON.stringify({ sender: agentId, receiver: agentId, type: "query", payload }, undefined, 2);
      expect((await api().send("POST", "/messages", { raw })).status).toBe(202);
      expect((await api().receive(agentId))[0]?.payload).toEqual(payload);
    });
  });
}
