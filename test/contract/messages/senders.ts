import { describe, expect, it } from "@jest/globals";
import type { AgentRole } from "../../../src/lib/model/agent.ts";
import type { CredentialKind } from "../../../src/lib/model/credential-kind.ts";
import { actingAs } from "../../../src/lib/trace/call-context.ts";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { only, type Scene } from "../support.ts";

/** The verified sender: who wrote a message, as it was when it was sent (issue: a delivered message carries it). */
export function sendersContract(open: StoreFactory): void {
  describe("the verified sender", () => {
    const stage = useStore(open);

    /** Sends on behalf of the sender, with that credential. */
    function sendAs(scene: Scene, credential: CredentialKind, sender: string, receiver: string): Promise<string> {
      return actingAs({ actor: sender, credential }, () => scene.send(sender, receiver));
    }

    it.each<[AgentRole, CredentialKind]>([
      ["supervisor", "token"],
      ["worker", "entra"],
      ["observer", "certificate"],
      ["admin", "none"],
    ])("of a %s with %s is part of what is received, peeked at and read", async (role, credential) => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(role), await scene.agent()];
      const messageId = await sendAs(scene, credential, sender, receiver);
      const verified = { messageId, sender, senderRole: role, senderCredential: credential };
      expect(only(await scene.peek(receiver))).toMatchObject(verified);
      expect(await scene.receiveOne(receiver)).toMatchObject(verified);
      expect(await scene.read(messageId)).toMatchObject(verified);
    });

    it("outside of any call has proved nothing", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent("worker"), await scene.agent()];
      const message = await scene.read(await scene.send(sender, receiver));
      expect(message).toMatchObject({ senderRole: "worker", senderCredential: "none" });
    });

    it("is each call's own, also of calls that are made at once", async () => {
      const scene = stage.scene();
      const receiver = await scene.agent();
      const credentials: CredentialKind[] = ["token", "entra", "certificate", "none"];
      const senders = await Promise.all(credentials.map(() => scene.agent("supervisor")));
      const messageIds = await Promise.all(
        credentials.map((credential, n) => sendAs(scene, credential, senders[n] ?? "", receiver)),
      );
      const read = await Promise.all(messageIds.map((messageId) => scene.read(messageId)));
      expect(read.map((message) => message.senderCredential)).toEqual(credentials);
      expect(read.map((message) => message.sender)).toEqual(senders);
    });

    it("is the same for all messages of a batch", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent("worker"), await scene.agent()];
      const batch = [scene.message(sender, receiver, { orderingKey: "k" }), scene.message(sender, receiver)];
      await actingAs({ actor: sender, credential: "token" }, () => scene.store.sendMessages(batch));
      for (const message of await scene.receive(receiver, { maxMessages: 2 })) {
        expect(message).toMatchObject({ senderRole: "worker", senderCredential: "token" });
      }
    });

    it("stays what it was when the message was sent", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent("worker"), await scene.agent()];
      const messageId = await sendAs(scene, "token", sender, receiver);
      await scene.register({ agentId: sender, role: "observer" });
      // A repeat with another credential changes nothing either.
      const again = scene.message(sender, receiver, { messageId });
      await actingAs({ actor: sender, credential: "entra" }, () => scene.store.sendMessages([again]));
      expect(await scene.read(messageId)).toMatchObject({ senderRole: "worker", senderCredential: "token" });
      await scene.send(sender, receiver);
      const [first, second] = await scene.receive(receiver, { maxMessages: 2 });
      expect([first?.senderRole, second?.senderRole]).toEqual(["worker", "observer"]);
    });

    it("is kept by dead letters, and by their redrive", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent("supervisor"), await scene.agent()];
      const messageId = await sendAs(scene, "certificate", sender, receiver);
      await scene.settle(receiver, await scene.receiveOne(receiver), "dead_letter");
      const verified = { messageId, senderRole: "supervisor", senderCredential: "certificate" };
      const { items } = await scene.store.listDeadLetters({ limit: 10, receiver });
      expect(only(items)).toMatchObject(verified);
      await scene.store.redriveDeadLetters({ messageIds: [messageId], dryRun: false });
      expect(await scene.receiveOne(receiver)).toMatchObject(verified);
    });

    it("of what the switchboard writes is the system", async () => {
      const scene = stage.scene();
      const [supervisor, worker] = [await scene.supervisor(), await scene.worker()];
      const system = { sender: "system", senderRole: "system", senderCredential: "system" };
      await actingAs({ actor: supervisor, role: "supervisor", credential: "token" }, async () => {
        const held = await scene.assign(supervisor);
        expect(only(await scene.peek(worker))).toMatchObject({ ...system, type: "task_assignment" });
        await scene.complete(held);
      });
      expect(await scene.receiveOne(supervisor)).toMatchObject({ ...system, type: "task_result" });
    });
  });
}
