import { describe, expect, it } from "@jest/globals";
import { type Api, expectProblem } from "./support.ts";

type Page<Name extends string, Item> = Record<Name, Item[]> & { nextCursor: string | null };
type Leased = { messageId: string; attempt: number; holder?: string; channel?: string; postId?: string };

export function channelRoutes(api: () => Api): void {
  describe("channels", () => {
    async function channel(kind: string, more: Record<string, unknown> = {}): Promise<string> {
      const name = api().id("channel");
      await api().ok("POST /channels", {}, { body: { name, kind, ...more } });
      return name;
    }

    async function receive(name: string, agentId: string, more: Record<string, unknown> = {}) {
      const ask = { body: { agentId, ...more } };
      return (await api().ok<{ messages: Leased[] }>("POST /channels/{name}/messages/receive", { name }, ask)).messages;
    }

    it("are made with 201, and again with 200, read, listed and deleted", async () => {
      const [member, other] = [await api().register(), await api().register("supervisor")];
      const name = api().id("channel");
      const body = {
        name,
        kind: "broadcast",
        description: "news of ä",
        members: [member],
        grants: [{ role: "worker", post: true }],
      };
      const made = await api().call("POST /channels", {}, { body });
      expect(made.status).toBe(201);
      expect(made.json).toMatchObject({
        name,
        kind: "broadcast",
        description: "news of ä",
        memberCount: 1,
        grants: [{ role: "worker", post: true, read: false, manage: false }],
      });
      expect((await api().call("POST /channels", {}, { body })).status).toBe(200);
      expectProblem(await api().call("POST /channels", {}, { body: { ...body, kind: "work_queue" } }), "ID_TAKEN");
      expect(await api().ok("GET /channels/{name}", { name })).toEqual(made.json);
      const put = await api().ok("PUT /channels/{name}/grants", { name }, { body: { agentId: other, manage: true } });
      expect(put).toMatchObject({ grants: [{ role: "worker" }, { agentId: other, post: false, manage: true }] });
      const listed = await api().ok<Page<"channels", { name: string }>>(
        "GET /channels",
        {},
        { query: "kind=broadcast&limit=200" },
      );
      expect(listed.channels.map((one) => one.name)).toContain(name);
      expect(await api().ok("DELETE /channels/{name}", { name })).toEqual({ name });
      for (const key of ["GET /channels/{name}", "DELETE /channels/{name}", "GET /channels/{name}/members"]) {
        expectProblem(await api().call(key, { name }), "CHANNEL_NOT_FOUND");
      }
    });

    it("have members that come and go, in pages", async () => {
      const name = await channel("work_queue");
      const members = [await api().register(), await api().register(), await api().register()].sort();
      const path = (agentId: string) => ({ name, agentId });
      for (const agentId of [...members, members[0] ?? ""]) {
        await api().ok("PUT /channels/{name}/members/{agentId}", path(agentId));
      }
      type Members = Page<"members", { agentId: string }>;
      const first = await api().ok<Members>("GET /channels/{name}/members", { name }, { query: "limit=2" });
      const cursor = encodeURIComponent(first.nextCursor ?? "");
      const rest = await api().ok<Members>(
        "GET /channels/{name}/members",
        { name },
        { query: `limit=2&cursor=${cursor}` },
      );
      expect([...first.members, ...rest.members].map(({ agentId }) => agentId)).toEqual(members);
      expect(rest.nextCursor).toBeNull();
      const gone = path(members[0] ?? "");
      for (let n = 0; n < 2; n++) {
        expect(await api().ok("DELETE /channels/{name}/members/{agentId}", gone)).toEqual(gone);
      }
      expect(await api().ok("GET /channels/{name}", { name })).toMatchObject({ memberCount: 2 });
      const nobody = await api().call("PUT /channels/{name}/members/{agentId}", path(api().id("nobody")));
      expectProblem(nobody, "AGENT_NOT_FOUND");
    });

    it("of kind broadcast copy a post to every member; each settles its own", async () => {
      const [a, b, sender] = [await api().register(), await api().register(), await api().register()];
      const name = await channel("broadcast", { members: [a, b] });
      const postId = await api().message(sender, `#${name}`, { payload: { n: 7 }, priority: "high" });
      expect(await api().ok("GET /messages/{messageId}", { messageId: postId })).toMatchObject({
        receiver: `#${name}`,
        channel: name,
        status: "completed",
      });
      for (const agentId of [a, b]) {
        const [copy] = await api().receive(agentId);
        expect(copy).toMatchObject({ receiver: agentId, channel: name, postId, payload: { n: 7 }, sender });
        const messageId = copy?.messageId ?? "";
        await api().ok("POST /messages/{messageId}/complete", { messageId }, { body: { agentId, attempt: 1 } });
      }
      const body = { messages: [{ sender, receiver: `#${name}`, type: "query" }] };
      const refused = expectProblem(await api().call("POST /messages/batch", {}, { body }), "INVALID_REQUEST");
      expect(refused.errors).toEqual([expect.objectContaining({ path: "messages.0.receiver" })]);
      const asked = await api().call("POST /channels/{name}/messages/receive", { name }, { body: { agentId: a } });
      expectProblem(asked, "INVALID_REQUEST");
    });

    it("of kind work_queue are purged by those who manage them", async () => {
      const sender = await api().register();
      const name = await channel("work_queue", { members: [sender] });
      const body = { sender, receiver: `#${name}`, type: "query" };
      await api().ok("POST /messages", {}, { body });
      const purge = { body: { filter: { sender } } };
      expect(await api().ok("POST /channels/{name}/messages/purge", { name }, purge)).toEqual({ count: 1 });
      const news = await channel("broadcast", { members: [sender] });
      const refused = await api().call("POST /channels/{name}/messages/purge", { name: news }, purge);
      expectProblem(refused, "INVALID_REQUEST");
    });

    it("of kind work_queue give each message to one member, by the ordinary rules of leases", async () => {
      const [a, b, sender] = [await api().register(), await api().register(), await api().register()];
      const name = await channel("work_queue", { members: [a, b] });
      const body = { messages: [1, 2].map((n) => ({ sender, receiver: `#${name}`, type: "query", payload: { n } })) };
      const { results } = await api().ok<{ results: { messageId: string }[] }>("POST /messages/batch", {}, { body });
      const peeked = await api().ok<Page<"messages", Leased>>("GET /channels/{name}/messages", { name });
      expect(peeked.messages.map(({ messageId }) => messageId)).toEqual(results.map(({ messageId }) => messageId));
      const [first] = await receive(name, a, { claimId: api().id("claim") });
      const [second] = await receive(name, b, { maxMessages: 5 });
      expect([first?.messageId, second?.messageId]).toEqual(results.map(({ messageId }) => messageId));
      expect(first).toMatchObject({ holder: a, channel: name });
      const messageId = first?.messageId ?? "";
      const settle = (agentId: string) =>
        api().call("POST /messages/{messageId}/complete", { messageId }, { body: { agentId, attempt: 1 } });
      expectProblem(await settle(b), "LEASE_LOST");
      expect((await settle(a)).status).toBe(200);
      const other = second?.messageId ?? "";
      const dead = { body: { agentId: b, attempt: 1, reason: "broken" } };
      await api().ok("POST /messages/{messageId}/dead-letter", { messageId: other }, dead);
      const receiver = encodeURIComponent(`#${name}`);
      const letters = await api().ok<Page<"messages", Leased>>(
        "GET /dead-letters",
        {},
        { query: `receiver=${receiver}` },
      );
      expect(letters.messages.map((letter) => letter.messageId)).toEqual([other]);
      const filter = { body: { filter: { receiver: `#${name}` } } };
      expect(await api().ok("POST /dead-letters/redrive", {}, filter)).toEqual({ count: 1 });
      expect(await receive(name, a)).toEqual([expect.objectContaining({ messageId: other, attempt: 2, holder: a })]);
    });

    it("wake a member that waits", async () => {
      const [a, sender] = [await api().register(), await api().register()];
      const name = await channel("work_queue", { members: [a] });
      const waiting = receive(name, a, { waitSeconds: 20 });
      const messageId = await api().message(sender, `#${name}`);
      expect(await waiting).toEqual([expect.objectContaining({ messageId })]);
    });

    it("that are not there, or not named as names are, are refused precisely", async () => {
      const agentId = await api().register();
      const name = api().id("nowhere");
      const send = (receiver: string) =>
        api().call("POST /messages", {}, { body: { sender: agentId, receiver, type: "query" } });
      expectProblem(await send(`#${name}`), "CHANNEL_NOT_FOUND");
      for (const receiver of ["#", "##x", `#${"x".repeat(101)}`, "#a b"]) {
        const problem = expectProblem(await send(receiver), "INVALID_REQUEST");
        expect(problem.errors).toEqual([expect.objectContaining({ path: "receiver" })]);
      }
      const asked = await api().call("POST /channels/{name}/messages/receive", { name }, { body: { agentId } });
      expectProblem(asked, "CHANNEL_NOT_FOUND");
      expectProblem(await api().call("GET /channels/{name}/messages", { name }), "CHANNEL_NOT_FOUND");
      // A channel's mailbox is no agent's.
      for (const key of ["GET /agents/{agentId}", "POST /agents/{agentId}/messages/receive"]) {
        expectProblem(await api().call(key, { agentId: encodeURIComponent(`#${name}`) }), "INVALID_REQUEST");
      }
      const impostor = { body: { agentId: `#${name}`, role: "worker" } };
      expectProblem(await api().call("POST /agents", {}, impostor), "INVALID_REQUEST");
    });
  });
}
