import { describe, expect, it } from "@jest/globals";
import { SWITCHBOARD_MESSAGE_TYPES } from "../../../../src/lib/model/message.ts";
import { type Answer, type Api, expectProblem } from "./support.ts";

type Count = { count: number };

export function messageRoutes(api: () => Api): void {
  describe("messages", () => {
    it("go from send to complete, and read accordingly", async () => {
      const [sender, receiver] = [await api().register(), await api().register()];
      const payload = { text: "häß\u{1F600}", deep: [1, null, { a: true }] };
      const messageId = await api().message(sender, receiver, { payload, priority: "high", correlationId: "c-1" });
      const waiting = await api().ok("GET /agents/{agentId}/messages", { agentId: receiver });
      expect(waiting).toMatchObject({ messages: [{ messageId, status: "queued" }], nextCursor: null });
      const [leased] = await api().receive(receiver);
      expect(leased).toMatchObject({ messageId, payload, attempt: 1, correlationId: "c-1" });
      // Who sent it, as the service knows it: nothing of this was in the request.
      expect(leased).toMatchObject({ sender, senderRole: "worker", senderCredential: expect.any(String) });
      const settlement = { body: { agentId: receiver, attempt: 1 } };
      const renewed = await api().ok(
        "POST /messages/{messageId}/renew",
        { messageId },
        { body: { ...settlement.body, leaseSeconds: 600 } },
      );
      expect(renewed).toMatchObject({ status: "leased", leaseExpiresAt: expect.any(String) });
      expect(await api().ok("POST /messages/{messageId}/complete", { messageId }, settlement)).toEqual({
        messageId,
        status: "completed",
      });
      expect(await api().ok("POST /messages/{messageId}/complete", { messageId }, settlement)).toEqual({
        messageId,
        status: "completed",
      });
      expectProblem(await api().call("POST /messages/{messageId}/retry", { messageId }, settlement), "LEASE_LOST");
      expect(await api().ok("GET /messages/{messageId}", { messageId })).toMatchObject({
        status: "completed",
        payload,
      });
    });

    it("are returned by retry and fenced by the attempt", async () => {
      const agentId = await api().register();
      const messageId = await api().message(agentId, agentId);
      await api().receive(agentId);
      const body = { agentId, attempt: 1, delaySeconds: 0, reason: "again" };
      expect(await api().ok("POST /messages/{messageId}/retry", { messageId }, { body })).toMatchObject({
        status: "queued",
      });
      const [second] = await api().receive(agentId);
      expect(second?.attempt).toBe(2);
      expectProblem(
        await api().call("POST /messages/{messageId}/complete", { messageId }, { body: { agentId, attempt: 1 } }),
        "LEASE_LOST",
      );
      expectProblem(
        await api().call("POST /messages/{messageId}/renew", { messageId }, { body: { agentId, attempt: 1 } }),
        "LEASE_LOST",
      );
    });

    it("recognise repeats by id and by Idempotency-Key", async () => {
      const agentId = await api().register();
      const messageId = api().id("m");
      const body = { messageId, sender: agentId, receiver: agentId, type: "query", payload: { a: 1, b: 2 } };
      expect(await api().ok("POST /messages", {}, { body })).toEqual({ messageId, duplicate: false });
      const reordered = { ...body, payload: { b: 2, a: 1 } };
      expect(await api().ok("POST /messages", {}, { body: reordered })).toEqual({ messageId, duplicate: true });
      expectProblem(await api().call("POST /messages", {}, { body: { ...body, payload: 3 } }), "IDEMPOTENCY_MISMATCH");
      const other = await api().register();
      expectProblem(await api().call("POST /messages", {}, { body: { ...body, sender: other } }), "ID_TAKEN");

      const headers = { "idempotency-key": api().id("key") };
      const { messageId: _, ...anonymous } = body;
      const first = await api().ok("POST /messages", {}, { body: anonymous, headers });
      expect(await api().ok("POST /messages", {}, { body: anonymous, headers })).toEqual({ ...first, duplicate: true });
      expectProblem(
        await api().call("POST /messages", {}, { body: { ...anonymous, payload: 4 }, headers }),
        "IDEMPOTENCY_MISMATCH",
      );
      expectProblem(await api().call("POST /messages", {}, { body, headers }), "INVALID_REQUEST");
      const malformed = await api().call(
        "POST /messages",
        {},
        { body: anonymous, headers: { "idempotency-key": "a b" } },
      );
      expectProblem(malformed, "INVALID_REQUEST");
      const twice = { body: anonymous, headers: { "idempotency-key": "a,b" } };
      expectProblem(await api().call("POST /messages", {}, twice), "INVALID_REQUEST");
    });

    it("are sent and settled in batches, all or none", async () => {
      const agentId = await api().register();
      const one = { sender: agentId, receiver: agentId, type: "notification" };
      const headers = { "idempotency-key": api().id("key") };
      const body = { messages: [one, { ...one, payload: 2 }] };
      type Sent = { results: { messageId: string; duplicate: boolean }[] };
      const sent = await api().ok<Sent>("POST /messages/batch", {}, { body, headers });
      const again = await api().ok<Sent>("POST /messages/batch", {}, { body, headers });
      expect(again.results).toEqual(sent.results.map((result) => ({ ...result, duplicate: true })));
      const broken = { messages: [one, { ...one, receiver: api().id("nobody") }] };
      expectProblem(await api().call("POST /messages/batch", {}, { body: broken }), "AGENT_NOT_FOUND");
      const leased = await api().receive(agentId, { maxMessages: 10 });
      expect(leased.map((message) => message.messageId).sort()).toEqual(
        sent.results.map((result) => result.messageId).sort(),
      );
      const settlements = [
        { messageId: leased[0]?.messageId, attempt: 1, outcome: "complete" },
        { messageId: leased[1]?.messageId, attempt: 7, outcome: "complete" },
        { messageId: leased[1]?.messageId, attempt: 1, outcome: "retry", delaySeconds: 60 },
        { messageId: api().id("m"), attempt: 1, outcome: "dead_letter" },
      ];
      const settled = await api().ok("POST /messages/settle", {}, { body: { agentId, settlements } });
      const statuses = ["completed", "lease_lost", "queued", "not_found"];
      expect(settled).toEqual({
        results: settlements.map(({ messageId }, index) => ({ messageId, status: statuses[index] })),
      });
    });

    it("are settled without fields that would mean nothing", async () => {
      const agentId = await api().register();
      const strays = [
        [{ outcome: "complete", delaySeconds: 1 }, "delaySeconds"],
        [{ outcome: "complete", reason: "why" }, "reason"],
        [{ outcome: "dead_letter", delaySeconds: 1 }, "delaySeconds"],
      ] as const;
      for (const [stray, field] of strays) {
        const body = { agentId, settlements: [{ messageId: "m", attempt: 1, ...stray }] };
        const problem = expectProblem(await api().call("POST /messages/settle", {}, { body }), "INVALID_REQUEST");
        expect(problem.errors?.map((error) => error.path)).toEqual([`settlements.0.${field}`]);
      }
    });

    it("wait for the first message when asked to", async () => {
      const agentId = await api().register();
      const waiting = api().receive(agentId, { waitSeconds: 20 });
      const messageId = await api().message(agentId, agentId);
      expect((await waiting).map((message) => message.messageId)).toEqual([messageId]);
      expect(await api().receive(agentId, { waitSeconds: 0.05 })).toEqual([]);
    });

    it("come with at most 4 MiB of payload, and with 1 MiB where the caller names no maxBytes", async () => {
      const agentId = await api().register();
      const payload = "x".repeat(256 * 1024 - 2);
      for (let i = 0; i < 17; i++) await api().message(agentId, agentId, { payload });
      const more = { body: { maxMessages: 50, maxBytes: 4 * 1024 * 1024 + 1 } };
      const refused = await api().call("POST /agents/{agentId}/messages/receive", { agentId }, more);
      expect(expectProblem(refused, "INVALID_REQUEST").errors?.map(({ path }) => path)).toEqual(["maxBytes"]);
      // 16 of them are 4 MiB without the ids and times around them, which count in the reply.
      expect(await api().receive(agentId, { maxMessages: 50, maxBytes: 4 * 1024 * 1024 })).toHaveLength(15);
      for (let i = 0; i < 4; i++) await api().message(agentId, agentId, { payload });
      expect(await api().receive(agentId, { maxMessages: 50 })).toHaveLength(4);
    });

    it("of a claim id come again when the answer was lost", async () => {
      const agentId = await api().register();
      const messageId = await api().message(agentId, agentId);
      const claim = { claimId: api().id("claim"), maxMessages: 1 };
      const first = await api().receive(agentId, claim);
      const second = await api().receive(agentId, claim);
      expect([first[0]?.messageId, second[0]?.messageId, second[0]?.attempt]).toEqual([messageId, messageId, 1]);
    });

    it("become dead letters, which are listed, redriven and purged", async () => {
      const agentId = await api().register();
      const messageId = await api().message(agentId, agentId);
      await api().receive(agentId);
      const body = { agentId, attempt: 1, reason: "poison" };
      expect(await api().ok("POST /messages/{messageId}/dead-letter", { messageId }, { body })).toMatchObject({
        status: "dead_lettered",
      });
      const listed = await api().ok("GET /dead-letters", {}, { query: `receiver=${agentId}&reason=poison` });
      expect(listed).toMatchObject({ messages: [{ messageId, reason: "poison" }] });
      const dry = { body: { filter: { receiver: agentId }, dryRun: true } };
      expect(await api().ok<Count>("POST /dead-letters/redrive", {}, dry)).toEqual({ count: 1 });
      expect(await api().ok<Count>("POST /dead-letters/redrive", {}, { body: { messageIds: [messageId] } })).toEqual({
        count: 1,
      });
      const [again] = await api().receive(agentId);
      expect(again).toMatchObject({ messageId, attempt: 2 });
      await api().ok("POST /messages/{messageId}/dead-letter", { messageId }, { body: { agentId, attempt: 2 } });
      expect(await api().ok<Count>("POST /dead-letters/purge", {}, { body: { messageIds: [messageId] } })).toEqual({
        count: 1,
      });
      expectProblem(await api().call("GET /messages/{messageId}", { messageId }), "MESSAGE_NOT_FOUND");
      for (const both of [{}, { messageIds: ["a"], filter: {} }]) {
        expectProblem(await api().call("POST /dead-letters/purge", {}, { body: both }), "INVALID_REQUEST");
      }
    });

    it("are withdrawn while they are queued, again and again, and not later", async () => {
      const [sender, receiver] = [await api().register(), await api().register()];
      const messageId = await api().message(sender, receiver, { delaySeconds: 3_600, orderingKey: "k" });
      const withdraw = (id: string) => api().call("DELETE /messages/{messageId}", { messageId: id });
      const reply = { messageId, status: "expired", withdrawn: 1 };
      expect(await api().ok("DELETE /messages/{messageId}", { messageId })).toEqual(reply);
      expect(await api().ok("DELETE /messages/{messageId}", { messageId })).toEqual(reply);
      const read = await api().ok("GET /messages/{messageId}", { messageId });
      expect(read).toMatchObject({ status: "expired", reason: "WITHDRAWN" });
      const again = { sender, receiver, type: "notification", messageId, payload: "another" };
      expectProblem(await api().call("POST /messages", {}, { body: again }), "IDEMPOTENCY_MISMATCH");
      const late = await api().message(sender, receiver);
      await api().receive(receiver);
      expectProblem(await withdraw(late), "LEASE_LOST");
      expectProblem(await withdraw(api().id("m")), "MESSAGE_NOT_FOUND");
    });

    it("are purged from a mailbox, due or not", async () => {
      const [sender, receiver] = [await api().register(), await api().register()];
      const deliverAt = new Date(Date.now() + 300 * 86_400_000).toISOString();
      const messageId = await api().message(sender, receiver, { deliverAt });
      await api().message(receiver, receiver);
      const purge = (filter: object, more: object = {}) =>
        api().ok<Count>("POST /agents/{agentId}/messages/purge", { agentId: receiver }, { body: { filter, ...more } });
      const dueAfter = new Date(Date.now() + 86_400_000).toISOString();
      expect(await purge({ dueAfter }, { dryRun: true })).toEqual({ count: 1 });
      expect(await purge({ sender, dueAfter })).toEqual({ count: 1 });
      expect(await purge({ sender })).toEqual({ count: 0 });
      const read = await api().ok("GET /messages/{messageId}", { messageId });
      expect(read).toMatchObject({ status: "expired", reason: "PURGED" });
      expect(await purge({})).toEqual({ count: 1 });
      const params = { agentId: receiver };
      const purging = (body: object) => api().call("POST /agents/{agentId}/messages/purge", params, { body });
      for (const body of [{}, { filter: { reason: "x" } }, { filter: { before: "yesterday" } }]) {
        expectProblem(await purging(body), "INVALID_REQUEST");
      }
    });

    it("are delivered at most a year ahead", async () => {
      const agentId = await api().register();
      const at = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString();
      const message = { sender: agentId, receiver: agentId, type: "notification" };
      const send = (more: object) => api().call("POST /messages", {}, { body: { ...message, ...more } });
      for (const far of [{ deliverAt: at(366) }, { deliverAt: "9999-12-31T23:59:59Z" }, { delaySeconds: 31_536_001 }]) {
        expectProblem(await send(far), "INVALID_REQUEST");
      }
      expect((await send({ deliverAt: at(364) })).status).toBe(202);
      const messages = [message, { ...message, deliverAt: at(366) }];
      const batch = await api().call("POST /messages/batch", {}, { body: { messages } });
      expectProblem(batch, "INVALID_REQUEST");
      expect(batch.json).toMatchObject({ errors: [{ path: "messages.1.deliverAt" }] });
    });

    it("of unknown ids are 404, settled or read", async () => {
      const agentId = await api().register();
      const params = { messageId: api().id("m") };
      const body = { agentId, attempt: 1 };
      expectProblem(await api().call("GET /messages/{messageId}", params), "MESSAGE_NOT_FOUND");
      for (const verb of ["complete", "retry", "dead-letter", "renew"]) {
        expectProblem(await api().call(`POST /messages/{messageId}/${verb}`, params, { body }), "MESSAGE_NOT_FOUND");
      }
      const message = { sender: agentId, receiver: api().id("nobody"), type: "query" };
      expectProblem(await api().call("POST /messages", {}, { body: message }), "AGENT_NOT_FOUND");
    });
  });

  describe("message types", () => {
    it("are registered with a schema that their payloads must satisfy", async () => {
      const agentId = await api().register();
      const type = api().id("type").replaceAll("-", "_");
      const schema = { type: "object", required: ["n"], properties: { n: { type: "integer" } } };
      expect((await api().call("PUT /message-types/{type}", { type }, { body: { schema } })).status).toBe(201);
      expect((await api().call("PUT /message-types/{type}", { type }, { body: { schema } })).status).toBe(200);
      expect(await api().ok("GET /message-types/{type}", { type })).toMatchObject({ type, schema });
      const list = await api().ok<{ messageTypes: unknown[] }>("GET /message-types", {}, { query: "limit=200" });
      expect(list.messageTypes.length).toBeGreaterThan(0);
      const message = { sender: agentId, receiver: agentId, type };
      await api().ok("POST /messages", {}, { body: { ...message, payload: { n: 1 } } });
      const refused = await api().call("POST /messages", {}, { body: { ...message, payload: { n: "x" } } });
      expect(expectProblem(refused, "SCHEMA_MISMATCH").errors).toEqual([
        expect.objectContaining({ path: "payload.n" }),
      ]);
      expect(await api().ok("DELETE /message-types/{type}", { type })).toEqual({ type });
      expectProblem(await api().call("DELETE /message-types/{type}", { type }), "NOT_FOUND");
      expectProblem(await api().call("GET /message-types/{type}", { type }), "NOT_FOUND");
      await api().ok("POST /messages", {}, { body: { ...message, payload: { n: "x" } } });
    });

    it("refuse schemas that are none, and built-in types", async () => {
      const type = api().id("type").replaceAll("-", "_");
      const bad = [
        { type: "nonsense" },
        { $ref: "https://example.com/other.json" },
        { $ref: "#/$defs/missing" },
        { pattern: "(" },
        { $async: true },
        { $schema: "http://json-schema.org/draft-04/schema#" },
        { $id: "https://json-schema.org/draft/2020-12/schema" },
      ];
      for (const schema of [...bad, 3, "x", [], null]) {
        expectProblem(await api().call("PUT /message-types/{type}", { type }, { body: { schema } }), "INVALID_REQUEST");
      }
      const large = { description: "x".repeat(70_000) };
      expectProblem(
        await api().call("PUT /message-types/{type}", { type }, { body: { schema: large } }),
        "PAYLOAD_TOO_LARGE",
      );
      for (const builtIn of [...SWITCHBOARD_MESSAGE_TYPES, "query", "Upper", "a-b"]) {
        expectProblem(
          await api().call("PUT /message-types/{type}", { type: builtIn }, { body: { schema: true } }),
          "INVALID_REQUEST",
        );
      }
    });

    it("that only the switchboard writes are refused from every agent, on every way in, with the reason", async () => {
      const [lead, forger] = [await api().register(), await api().register()];
      const channel = api().id("channel");
      await api().ok("POST /channels", {}, { body: { name: channel, kind: "broadcast", members: [lead, forger] } });
      for (const type of SWITCHBOARD_MESSAGE_TYPES) {
        const payload = {
          taskId: "a-task",
          taskType: "audit",
          status: "completed",
          attempt: 1,
          result: { approved: true },
        };
        const forged = { sender: forger, receiver: lead, type, payload };
        const places: [string, Answer][] = [
          ["type", await api().call("POST /messages", {}, { body: forged })],
          ["type", await api().call("POST /messages", {}, { body: { ...forged, receiver: `#${channel}` } })],
          [
            "messages.1.type",
            await api().call(
              "POST /messages/batch",
              {},
              { body: { messages: [{ ...forged, type: "query" }, forged] } },
            ),
          ],
          [
            "type",
            await api().call("POST /messages", {}, { body: forged, headers: { "idempotency-key": api().id("key") } }),
          ],
        ];
        for (const [path, reply] of places) {
          const { errors } = expectProblem(reply, "INVALID_REQUEST");
          expect(errors).toEqual([
            { path, message: expect.stringContaining(`${type} is written only by the switchboard`) },
          ]);
        }
      }
      expect(await api().ok("GET /agents/{agentId}/messages", { agentId: lead })).toMatchObject({ messages: [] });
      for (const type of ["heartbeat", "task_update", "error"]) {
        await api().ok("POST /messages", {}, { body: { sender: forger, receiver: lead, type } });
      }
      for (const agentId of ["system", "System", "SYSTEM"]) {
        expectProblem(await api().call("POST /agents", {}, { body: { agentId, role: "worker" } }), "INVALID_REQUEST");
      }
    });

    it("bound what a hostile schema may cost", async () => {
      const agentId = await api().register();
      const hostile = [
        { schema: { pattern: "^x-y(\\w+)+$" }, payload: `x-y${"b".repeat(50)}!` },
        {
          schema: {
            $defs: {
              x: {
                anyOf: [
                  { items: { $ref: "#/$defs/x" }, minItems: 1 },
                  { items: { $ref: "#/$defs/x" }, minItems: 1 },
                ],
              },
            },
            $ref: "#/$defs/x",
          },
          payload: JSON.parse(`${"[".repeat(50)}${"]".repeat(50)}`),
        },
      ];
      for (const { schema, payload } of hostile) {
        const type = api().id("hostile").replaceAll("-", "_");
        await api().ok("PUT /message-types/{type}", { type }, { body: { schema } });
        const message = { sender: agentId, receiver: agentId, type, payload };
        expectProblem(await api().call("POST /messages", {}, { body: message }), "SCHEMA_MISMATCH");
      }
    });

    it("check regular expressions in the time of the text, and refuse those that cannot be, where they stand", async () => {
      const type = api().id("pattern").replaceAll("-", "_");
      const refused: [object, string, string][] = [
        [{ properties: { a: { pattern: "^(\\w+)-\\1$" } } }, "schema.properties.a.pattern", "with a backreference"],
        [{ patternProperties: { "^((x{1,99}){1,99}){1,99}$": {} } }, "schema.patternProperties", "repeats too much"],
      ];
      for (const [schema, path, message] of refused) {
        const answer = await api().call("PUT /message-types/{type}", { type }, { body: { schema } });
        const problem = { path, message: expect.stringContaining(message) };
        expect(expectProblem(answer, "INVALID_REQUEST").errors).toEqual([problem]);
      }
      // RegExp would need longer than anybody waits for each of these.
      const schema = {
        properties: { a: { pattern: "^order:(\\d+\\.?)+;$" }, b: { pattern: "(x+x+)+y" } },
        patternProperties: { "^(k|k)*$": { type: "string" } },
        additionalProperties: false,
      };
      await api().ok("PUT /message-types/{type}", { type }, { body: { schema } });
      const agentId = await api().register();
      const keys = "k".repeat(40);
      const send = (payload: object) =>
        api().call("POST /messages", {}, { body: { sender: agentId, receiver: agentId, type, payload } });
      const digits = "1".repeat(50_000);
      expect((await send({ a: `order:${digits};`, b: "xxy", [keys]: "" })).status).toBe(202);
      const wrong = await send({ a: `order:${digits}`, b: "x".repeat(50_000), [`${keys}!`]: "" });
      expect(expectProblem(wrong, "SCHEMA_MISMATCH").errors).toHaveLength(3);
    });
  });
}
