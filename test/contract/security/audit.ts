import { describe, expect, it } from "@jest/globals";
import { type AuditEntry, auditActionSchema, type ListAuditQuery } from "../../../src/lib/model/audit.ts";
import { strangeMembers } from "../../../src/lib/store/rules/audit-details.ts";
import { actingAs } from "../../../src/lib/trace/call-context.ts";
import { type StoreFactory, useStore, withStore } from "../store-under-test.ts";
import { at, caught, everyPage, HOUR, only, type Scene, SECOND } from "../support.ts";

/** What is recorded of every change, by whom, and how it is read (design section 6, Audit). */

type Filter = Omit<ListAuditQuery, "limit" | "cursor">;

/** All entries of a filter, oldest first. */
export async function auditOf(scene: Scene, filter: Filter): Promise<AuditEntry[]> {
  const entries = await everyPage((page) => scene.store.listAudit({ ...page, ...filter }));
  for (const { action, detail } of entries)
    expect([action, strangeMembers(auditActionSchema.parse(action), detail)]).toEqual([action, []]);
  return entries.reverse();
}

/** Who did what, with which detail, oldest first. */
export async function deeds(scene: Scene, filter: Filter): Promise<[string, string, object][]> {
  return (await auditOf(scene, filter)).map(({ actor, action, detail }) => [actor, action, detail]);
}

const as = <T>(actor: string, act: () => Promise<T>) => actingAs({ actor, credential: "token" }, act);

export function auditContract(open: StoreFactory): void {
  describe("audit", () => {
    const stage = useStore(open);

    it("records what was put in from outside, with the store's own time and number", async () => {
      const scene = stage.scene();
      const before = scene.store.now();
      const entries = [1, 2, 3].map((count) => ({
        actor: scene.id("caller"),
        action: "request.refused" as const,
        subjectKind: "request" as const,
        subjectId: scene.id("FORBIDDEN"),
        detail: { count, code: "FORBIDDEN", late: false },
      }));
      await scene.store.recordAudit(entries);
      const found = await auditOf(scene, { subjectId: scene.id("FORBIDDEN") });
      expect(found.map(({ entryNo, at: _, ...rest }) => rest)).toEqual(entries);
      expect(found.every((entry) => at(entry.at) >= before - SECOND)).toBe(true);
      const numbers = found.map(({ entryNo }) => entryNo);
      expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
      await scene.store.recordAudit([]);
    });

    it("is by whoever makes the call; by the switchboard when nobody does", async () => {
      const scene = stage.scene();
      const entry = { action: "request.refused", subjectKind: "request", subjectId: scene.id("x") } as const;
      await scene.store.recordAudit([entry]);
      await as(scene.id("caller"), () => scene.store.recordAudit([entry]));
      // Calls of several callers that travel together stay theirs.
      await Promise.all([1, 2, 3].map((n) => as(scene.id(`c${n}`), () => scene.store.recordAudit([entry]))));
      const actors = (await auditOf(scene, { subjectId: scene.id("x") })).map(({ actor }) => actor);
      expect(actors.slice(0, 2)).toEqual(["system", scene.id("caller")]);
      expect(actors.slice(2).sort()).toEqual(["c1", "c2", "c3"].map((name) => scene.id(name)));
    });

    it("is listed newest first, by actor, action, subject and time, alone and together", async () => {
      const scene = stage.scene();
      const [one, other] = [scene.id("one"), scene.id("other")];
      const put = (actor: string, name: string) => as(actor, () => scene.store.putMessageType(scene.id(name), {}));
      await put(one, "a");
      scene.advance(HOUR);
      const middle = new Date(scene.store.now()).toISOString();
      scene.advance(HOUR);
      await put(other, "a");
      await put(one, "b");
      await as(one, () => scene.store.deleteMessageType(scene.id("b")));
      const list = async (filter: Filter) =>
        (await scene.store.listAudit({ limit: 50, ...filter })).items
          .filter(({ actor }) => actor === one || actor === other)
          .map(({ action, subjectId }) => `${action.split(".")[1]} ${subjectId.charAt(0)}`);
      expect(await list({ actor: one })).toEqual(["deleted b", "put b", "put a"]);
      expect(await list({ subjectKind: "message_type", subjectId: scene.id("a") })).toEqual(["put a", "put a"]);
      expect(await list({ action: "message_type.deleted", actor: one })).toEqual(["deleted b"]);
      expect(await list({ actor: one, subjectKind: "task" })).toEqual([]);
      expect(await list({ actor: one, to: middle })).toEqual(["put a"]);
      expect(await list({ actor: one, from: middle })).toEqual(["deleted b", "put b"]);
      expect(await list({ from: middle })).toEqual(["deleted b", "put b", "put a"]);
      const [newest] = (await scene.store.listAudit({ limit: 1, actor: one })).items;
      // From is included, to is not.
      expect(await list({ actor: one, from: newest?.at, action: "message_type.deleted" })).toEqual(["deleted b"]);
      expect(await list({ actor: one, to: newest?.at, action: "message_type.deleted" })).toEqual([]);
    });

    it("is paged, with cursors of its own filters", async () => {
      const scene = stage.scene();
      const entry = { actor: scene.id("c"), action: "request.refused", subjectKind: "request" } as const;
      await scene.store.recordAudit(
        Array.from({ length: 7 }, (_, n) => ({ ...entry, subjectId: `${scene.tag}-${n}` })),
      );
      const list = (cursor?: string) => scene.store.listAudit({ limit: 3, cursor, actor: scene.id("c") });
      const first = await list();
      expect(first.items.map(({ subjectId }) => subjectId.slice(-1))).toEqual(["6", "5", "4"]);
      const second = await list(first.nextCursor ?? "");
      expect(second.items.map(({ subjectId }) => subjectId.slice(-1))).toEqual(["3", "2", "1"]);
      const wrong = scene.store.listAudit({ limit: 3, cursor: first.nextCursor ?? "", actor: scene.id("d") });
      expect(await caught(wrong)).toBe("INVALID_REQUEST");
      expect((await auditOf(scene, { actor: scene.id("c") })).length).toBe(7);
    });

    it("looks at so many entries in a call: a page may be short and not the last", async () => {
      await withStore(open, {}, async (scene) => {
        const entry = { action: "request.refused", subjectKind: "request" } as const;
        await scene.store.recordAudit([{ ...entry, actor: "rare", subjectId: "x" }]);
        for (let batch = 0; batch < 21; batch++) {
          await scene.store.recordAudit(
            Array.from({ length: 500 }, () => ({ ...entry, actor: "often", subjectId: "x" })),
          );
        }
        const first = await scene.store.listAudit({ limit: 10, actor: "rare" });
        expect(first.items).toEqual([]);
        const second = await scene.store.listAudit({ limit: 10, actor: "rare", cursor: first.nextCursor ?? "" });
        expect(only(second.items).actor).toBe("rare");
        expect(second.nextCursor).toBeNull();
      });
    });

    it("names message types that were put, replaced and deleted", async () => {
      const scene = stage.scene();
      const type = `kept.${scene.tag}`;
      await as("chief", () => scene.store.putMessageType(type, { const: "secret" }));
      await as("chief", () => scene.store.putMessageType(type, true));
      await as("other", () => scene.store.deleteMessageType(type));
      await as("other", () => scene.store.deleteMessageType(type));
      expect(await deeds(scene, { subjectId: type })).toEqual([
        ["chief", "message_type.put", { created: true }],
        ["chief", "message_type.put", { created: false }],
        ["other", "message_type.deleted", {}],
      ]);
    });

    it("names every dead letter that was redriven or purged, and not those that were only counted", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      const messageId = await scene.deadLetter(sender, receiver);
      const other = await scene.deadLetter(sender, receiver);
      await as("chief", () => scene.store.redriveDeadLetters({ messageIds: [messageId], dryRun: true }));
      await as("chief", () => scene.store.purgeDeadLetters({ filter: { receiver }, dryRun: true }));
      await as("chief", () => scene.store.redriveDeadLetters({ messageIds: [messageId, "unknown"], dryRun: false }));
      await as("cleaner", () => scene.store.purgeDeadLetters({ filter: { receiver }, dryRun: false }));
      const about = async (subjectId: string) => await deeds(scene, { subjectKind: "message", subjectId });
      expect(await about(messageId)).toEqual([["chief", "dead_letters.redriven", { receiver }]]);
      expect(await about(other)).toEqual([["cleaner", "dead_letters.purged", { receiver }]]);
    });

    const ofMessage = (scene: Scene, subjectId: string) => deeds(scene, { subjectKind: "message", subjectId });

    it("has nothing of messages, which are their own record", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      const messageId = await scene.send(sender, receiver);
      await scene.settle(receiver, await scene.receiveOne(receiver), "complete");
      expect(await ofMessage(scene, messageId)).toEqual([]);
    });

    it("has what was sent, received and settled where that is asked for, once, and nothing of contents", async () => {
      await withStore(open, { auditMessages: true }, async (scene) => {
        const [sender, receiver] = [await scene.agent(), await scene.agent()];
        const message = scene.message(sender, receiver, { messageId: scene.id("m"), type: "query", orderingKey: "k" });
        await scene.store.sendMessages([message]);
        await scene.store.sendMessages([message]);
        const claimId = scene.id("claim");
        const [leased] = await scene.receive(receiver, { claimId, maxMessages: 5 });
        await scene.receive(receiver, { claimId, maxMessages: 5 });
        if (leased === undefined) throw new Error("it was sent");
        await scene.settle(receiver, { ...leased, attempt: 9 }, "complete");
        await scene.settle(receiver, leased, "retry", { delayMilliseconds: 0, reason: "secret" });
        const again = await as("admin-1", () => scene.receiveOne(receiver));
        await as("admin-2", () => scene.settle(receiver, again, "dead_letter", { reason: "secret" }));
        expect(await ofMessage(scene, message.messageId)).toEqual([
          [sender, "message.sent", { sender, receiver, type: "query" }],
          [receiver, "message.received", { attempt: 1, agentId: receiver }],
          [receiver, "message.settled", { attempt: 1, agentId: receiver, status: "queued" }],
          ["admin-1", "message.received", { attempt: 2, agentId: receiver }],
          ["admin-2", "message.settled", { attempt: 2, agentId: receiver, status: "dead_lettered" }],
        ]);
        const batch = [1, 2].map((n) => scene.message(sender, receiver, { messageId: scene.id(`b${n}`) }));
        await as("admin-3", () => scene.store.sendMessages(batch));
        const messages = await scene.receive(receiver, { maxMessages: 5, types: ["notification"] });
        const settlements = messages.map(({ messageId, attempt }) => ({
          messageId,
          attempt,
          outcome: "complete" as const,
        }));
        await scene.store.settleMessages(receiver, [...settlements, ...settlements]);
        for (const { messageId } of batch) {
          const steps = (await ofMessage(scene, messageId)).map(([actor, action]) => [actor, action]);
          expect(steps).toEqual([
            ["admin-3", "message.sent"],
            [receiver, "message.received"],
            [receiver, "message.settled"],
          ]);
        }
      });
    });

    it("has what was posted to a channel, and what its members did with it", async () => {
      await withStore(open, { auditMessages: true }, async (scene) => {
        const [sender, member] = [await scene.agent("supervisor"), await scene.agent()];
        for (const kind of ["broadcast", "work_queue"] as const) {
          const name = scene.id(kind.replace("_", "-"));
          await scene.createChannel({ name, kind, members: [member] }, sender);
          const post = scene.message(sender, member, { messageId: scene.id(`${kind}-post`) });
          const message = { ...post, receiver: `#${name}` };
          if (kind === "broadcast") await scene.store.broadcastMessage(message);
          else await scene.store.sendMessages([message]);
          const [received] = await scene.receive(member, kind === "broadcast" ? {} : { channel: name });
          if (received === undefined) throw new Error("it was posted");
          await scene.settle(member, received, "complete");
          const detail = { sender, receiver: `#${name}`, type: "notification" };
          const [sent] = await ofMessage(scene, message.messageId);
          expect(sent).toEqual([sender, "message.sent", detail]);
          expect((await ofMessage(scene, received.messageId)).slice(-2)).toEqual([
            [member, "message.received", { attempt: 1, agentId: member }],
            [member, "message.settled", { attempt: 1, agentId: member, status: "completed" }],
          ]);
        }
      });
    });
  });
}
