import { describe, expect, it } from "@jest/globals";
import { type Answer, type Api, expectProblem } from "./support.ts";

export function badInput(api: () => Api): void {
  const post = (raw: string | Buffer, headers: Record<string, string> = {}) =>
    api().send("POST", "/agents", { raw, headers });

  describe("bad input is a precise 4xx and changes nothing", () => {
    it("names every invalid place", async () => {
      const body = { agentId: "-", role: "king", capabilities: ["ok", "no blanks"], extra: 1 };
      const problem = expectProblem(await api().send("POST", "/agents", { body }), "INVALID_REQUEST");
      expect(problem.errors?.map((error) => error.path).sort()).toEqual(["", "agentId", "capabilities.1", "role"]);
    });

    it("refuses absurd numbers, types and texts", async () => {
      const agentId = await api().register();
      const message = { sender: agentId, receiver: agentId, type: "query" };
      const changes = [
        { maxAttempts: 0 },
        { maxAttempts: 1.5 },
        { maxAttempts: 1e308 },
        { maxAttempts: "5" },
        { ttlSeconds: -1 },
        { ttlSeconds: 1e12 },
        { delaySeconds: -0.001 },
        { deliverAt: "tomorrow" },
        { deliverAt: 5 },
        { priority: "HIGH" },
        { type: "Query" },
        { type: "" },
        { sender: "a b" },
        { sender: "\u0000" },
        { receiver: "ü" },
        { receiver: "x".repeat(129) },
        { orderingKey: "" },
        { correlationId: null },
        { messageId: "../x" },
        { unknown: true },
        { __proto__x: 1 },
        { delaySeconds: 1, deliverAt: "2030-01-01T00:00:00Z" },
        { payload: JSON.parse("[".repeat(70) + "]".repeat(70)) },
      ];
      for (const change of changes) {
        expectProblem(await api().send("POST", "/messages", { body: { ...message, ...change } }), "INVALID_REQUEST");
      }
      const infinite = `{"sender":"${agentId}","receiver":"${agentId}","type":"query","payload":1e999}`;
      expectProblem(await api().send("POST", "/messages", { raw: infinite }), "INVALID_REQUEST");
      const proto = `{"sender":"${agentId}","receiver":"${agentId}","type":"query","__proto__":{"x":1}}`;
      expectProblem(await api().send("POST", "/messages", { raw: proto }), "INVALID_REQUEST");
      expect(await api().receive(agentId)).toEqual([]);
    });

    it("refuses bodies that are no JSON object in UTF-8", async () => {
      for (const raw of ["{", "nul", "[]", "null", '"x"', "1", "\ufeff{}", "{'a':1}", "{}{}", "[".repeat(100_000)]) {
        expectProblem(await post(raw), "INVALID_REQUEST");
      }
      expectProblem(await post(Buffer.from([0x7b, 0xff, 0xfe, 0x7d])), "INVALID_REQUEST");
      expectProblem(await post(Buffer.from([0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00])), "INVALID_REQUEST");
    });

    it("refuses bytes inside a string that are no UTF-8, and says so; what a reader would make of them is another value", async () => {
      const agentId = api().id("agent");
      const body = (bytes: readonly number[]) =>
        Buffer.concat([
          Buffer.from(`{"agentId":"${agentId}","role":"worker","metadata":{"name":"`),
          Buffer.from(bytes),
          Buffer.from('"}}'),
        ]);
      // Alone, cut off, too long for its character, half of a surrogate pair, beyond U+10FFFF.
      for (const bytes of [
        [0xff],
        [0x80],
        [0xc3],
        [0xe2, 0x82],
        [0xc0, 0xaf],
        [0xed, 0xa0, 0x80],
        [0xf4, 0x90, 0x80, 0x80],
      ]) {
        const answer = await post(body(bytes));
        expectProblem(answer, "INVALID_REQUEST");
        expect(JSON.stringify(answer)).toContain("UTF-8");
      }
      expect((await post(body([0xc3, 0xa4]))).status).toBe(201);
    });

    it("asks for application/json", async () => {
      const raw = JSON.stringify({ agentId: api().id("agent"), role: "worker" });
      for (const type of [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-16",
        "application/json; charset=utf-8; charset=utf-16",
        "application/json; boundary=x",
        "application/jsonx",
        "xapplication/json",
        "json",
        "multipart/form-data",
      ]) {
        expectProblem(await post(raw, { "content-type": type }), "UNSUPPORTED_MEDIA_TYPE");
      }
      expectProblem(await post(raw, { "content-encoding": "gzip" }), "UNSUPPORTED_MEDIA_TYPE");
      for (const type of [
        "Application/JSON; charset=UTF-8",
        "application/json;charset=utf-8",
        'application/json ; charset = "utf-8"',
        "application/json ",
      ]) {
        expect([type, [200, 201].includes((await post(raw, { "content-type": type })).status)]).toEqual([type, true]);
      }
      expect((await post(raw, { "content-encoding": "identity" })).status).toBe(200);
    });

    it("takes an absent body as {}", async () => {
      const agentId = await api().register();
      const path = `/agents/${agentId}/messages/receive`;
      for (const type of ["application/json", "text/plain"]) {
        expect(
          (await api().send("POST", path, { headers: { "content-type": type, "content-length": "0" } })).json,
        ).toEqual({
          messages: [],
        });
      }
      expectProblem(await api().send("POST", "/agents", { headers: { "content-length": "0" } }), "INVALID_REQUEST");
    });

    it("refuses what is too large: fields, requests and batches", async () => {
      const agentId = await api().register();
      const message = { sender: agentId, receiver: agentId, type: "query" };
      const send = (body: unknown): Promise<Answer> => api().send("POST", "/messages", { body });
      expect((await send({ ...message, payload: "x".repeat(256 * 1024 - 2) })).status).toBe(202);
      const oversize = expectProblem(
        await send({ ...message, payload: "x".repeat(256 * 1024 - 1) }),
        "PAYLOAD_TOO_LARGE",
      );
      expect(oversize.errors).toEqual([expect.objectContaining({ path: "payload" })]);
      expectProblem(await send({ ...message, payload: "ä".repeat(128 * 1024) }), "PAYLOAD_TOO_LARGE");
      expectProblem(await send({ ...message, payload: "x".repeat(1024 * 1024) }), "PAYLOAD_TOO_LARGE");
      expectProblem(await send({ ...message, payload: "x".repeat(6 * 1024 * 1024) }), "PAYLOAD_TOO_LARGE");
      const messages = Array.from({ length: 12 }, () => ({ ...message, payload: "x".repeat(200_000) }));
      expect((await api().send("POST", "/messages/batch", { body: { messages } })).status).toBe(202);
      const beyond = { messages: Array.from({ length: 22 }, () => ({ ...message, payload: "x".repeat(200_000) })) };
      expectProblem(await api().send("POST", "/messages/batch", { body: beyond }), "PAYLOAD_TOO_LARGE");
      const many = { messages: Array.from({ length: 101 }, () => message) };
      expectProblem(await api().send("POST", "/messages/batch", { body: many }), "INVALID_REQUEST");
    });

    it("refuses a chunked body over the limit", async () => {
      const answer = await api().sendChunked("/messages", Buffer.alloc(3 * 1024 * 1024, 0x20));
      expectProblem(answer, answer.status === 413 ? "PAYLOAD_TOO_LARGE" : "INVALID_REQUEST");
    });

    it("takes a chunked body whole, or refuses it where the host loses it: never as if there were none", async () => {
      const agentId = await api().register("worker");
      const answer = await api().sendChunked(`/agents/${agentId}/heartbeat`, Buffer.from('{"status":"draining"}'));
      if (answer.status === 200) expect(answer.json).toMatchObject({ status: "draining" });
      else expectProblem(answer, "INVALID_REQUEST");
    });

    it("refuses malformed, unknown and repeated query parameters", async () => {
      for (const query of [
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=1.5",
        "limit=",
        "limit=0x10",
        "limit=1e1",
        "limit=1.0",
        "limit=%201",
        "limit=1%20",
        "limit=%2B1",
        "limit=1_0",
        "limit=true",
        "limit=%D9%A1",
        "limit=0b1",
        "role=king",
        "nonsense=1",
        "limit=1&limit=1",
        "role=worker&role=worker",
      ]) {
        expectProblem(await api().send("GET", `/agents?${query}`), "INVALID_REQUEST");
      }
      expectProblem(await api().send("GET", "/stats/queue?verbose=1"), "INVALID_REQUEST");
      expect((await api().send("GET", "/agents?")).status).toBe(200);
    });

    it("serves only loopback names and its own origin", async () => {
      const { host } = api().base;
      for (const foreign of [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "169.254.169.254",
      ]) {
        expectProblem(await api().send("GET", "/health", { headers: { host: foreign } }), "FORBIDDEN");
      }
      for (const origin of ["http://evil.example", "null", "http://localhost:1", `http://${host}.evil.example`]) {
        expectProblem(await api().send("GET", "/health", { headers: { origin } }), "FORBIDDEN");
      }
      expect((await api().send("GET", "/health", { headers: { origin: `http://${host}` } })).status).toBe(200);
    });
  });
}
