import { describe, expect, it } from "@jest/globals";
import type { CreateChannelInput } from "../../../src/lib/model/channel.ts";
import { actingAs } from "../../../src/lib/trace/call-context.ts";
import { deeds } from "../security/audit.ts";
import { type StoreFactory, useStore, withStore } from "../store-under-test.ts";
import { caught, DAY, everyPage, MINUTE, type Scene, SECOND } from "../support.ts";

/** Channels as such: making and deleting them, their members and grants, and who may do what (design section 6). */
export function channelsContract(open: StoreFactory): void {
  describe("channels", () => {
    making(open);
    members(open);
    grants(open);
    listing(open);
    deleting(open);
    upkeep(open);
    recorded(open);
  });
}

const ALL = { post: true, read: true, manage: true };
const NONE = { post: false, read: false, manage: false };

function making(open: StoreFactory): void {
  describe("made", () => {
    const stage = useStore(open);

    it("read back with their members and grants; the creator has every right", async () => {
      const scene = stage.scene();
      const [creator, a, b] = [await scene.supervisor(), await scene.agent(), await scene.agent()];
      const name = scene.fresh("channel");
      const description = 'builds of "main"\n— é ✓';
      const { channel, created } = await scene.createChannel(
        {
          name,
          kind: "broadcast",
          description,
          members: [b, a, b],
          grants: [
            { agentId: a, post: true },
            { role: "worker", read: true },
          ],
        },
        creator,
      );
      expect(created).toBe(true);
      expect(channel).toMatchObject({ name, kind: "broadcast", description, createdBy: creator, memberCount: 2 });
      expect(Math.abs(Date.parse(channel.createdAt) - scene.store.now())).toBeLessThan(MINUTE);
      const ofAgents = [
        { agentId: a, ...NONE, post: true },
        { agentId: creator, ...ALL },
      ].sort((x, y) => (x.agentId < y.agentId ? -1 : 1));
      expect(channel.grants).toEqual([{ role: "worker", ...NONE, read: true }, ...ofAgents]);
      expect(await scene.store.getChannel(name)).toEqual(channel);
      expect(await memberIds(scene, name)).toEqual([a, b].sort());
    });

    it("again the same by the same creator are what they are by now; otherwise the name is taken", async () => {
      const scene = stage.scene();
      const [creator, other, late] = [await scene.supervisor(), await scene.supervisor(), await scene.agent()];
      const input: CreateChannelInput = { name: scene.fresh("channel"), kind: "work_queue", members: [creator] };
      const { channel } = await scene.createChannel(input, creator);
      await scene.store.addChannelMember(input.name, late);
      const again = await scene.createChannel(input, creator);
      expect(again).toEqual({ created: false, channel: { ...channel, memberCount: 2 } });
      expect(await caught(scene.createChannel(input, other))).toBe("ID_TAKEN");
      expect(await caught(scene.createChannel({ ...input, kind: "broadcast" }, creator))).toBe("ID_TAKEN");
      expect((await scene.store.getChannel(input.name)).kind).toBe("work_queue");
    });

    it("at once by two are made by one of them", async () => {
      const scene = stage.scene();
      const creators = [await scene.supervisor(), await scene.supervisor(), await scene.supervisor()];
      const name = scene.fresh("channel");
      const codes = await Promise.all(
        creators.map((creator) => caught(scene.createChannel({ name, kind: "broadcast" }, creator))),
      );
      expect(codes.sort()).toEqual(["ID_TAKEN", "ID_TAKEN", "accepted"]);
      const { createdBy, grants: given } = await scene.store.getChannel(name);
      expect(given).toEqual([{ agentId: createdBy, ...ALL }]);
    });

    it("by nobody in particular belong to nobody", async () => {
      const scene = stage.scene();
      const name = await scene.channel("broadcast");
      expect(await scene.store.getChannel(name)).toMatchObject({ createdBy: "*", memberCount: 0, grants: [] });
    });

    it("need their creator, where it is one, their members and grantees to be registered; or nothing is written", async () => {
      const scene = stage.scene();
      const [creator, gone] = [await scene.supervisor(), await scene.agent()];
      await scene.store.deregisterAgent(gone);
      const name = scene.fresh("channel");
      const attempt = (more: Partial<CreateChannelInput>, by = creator) =>
        caught(scene.createChannel({ name, kind: "broadcast", ...more }, by));
      expect(await attempt({ members: [creator, scene.id("nobody")] })).toBe("AGENT_NOT_FOUND");
      expect(await attempt({ members: [gone] })).toBe("AGENT_DEREGISTERED");
      expect(await attempt({ grants: [{ agentId: scene.id("nobody"), post: true }] })).toBe("AGENT_NOT_FOUND");
      expect(await attempt({ grants: [{ agentId: gone, post: true }] })).toBe("AGENT_DEREGISTERED");
      expect(await attempt({}, scene.id("nobody"))).toBe("AGENT_NOT_FOUND");
      expect(await attempt({}, gone)).toBe("AGENT_DEREGISTERED");
      expect(await caught(scene.store.getChannel(name))).toBe("CHANNEL_NOT_FOUND");
      expect(await attempt({ members: [creator] })).toBe("accepted");
    });

    it("are told apart by case", async () => {
      const scene = stage.scene();
      const name = scene.fresh("channel");
      await scene.channel("broadcast", { name });
      await scene.channel("work_queue", { name: name.toUpperCase() });
      expect((await scene.store.getChannel(name)).kind).toBe("broadcast");
      expect((await scene.store.getChannel(name.toUpperCase())).kind).toBe("work_queue");
    });
  });
}

function members(open: StoreFactory): void {
  describe("members", () => {
    const stage = useStore(open);

    it("come and go, and repeating either changes nothing", async () => {
      const scene = stage.scene();
      const [a, b] = [await scene.agent(), await scene.agent()];
      const name = await scene.channel("work_queue", { members: [a] });
      const added = await scene.store.addChannelMember(name, b);
      expect(added.agentId).toBe(b);
      scene.advance(SECOND);
      expect(await scene.store.addChannelMember(name, b)).toEqual(added);
      expect((await scene.store.getChannel(name)).memberCount).toBe(2);
      await scene.store.removeChannelMember(name, a);
      await scene.store.removeChannelMember(name, a);
      await scene.store.removeChannelMember(name, scene.id("nobody"));
      expect((await scene.store.listChannelMembers(name, { limit: 10 })).items).toEqual([added]);
      expect((await scene.store.getChannel(name)).memberCount).toBe(1);
    });

    it("at once are added once each", async () => {
      const scene = stage.scene();
      const [a, b] = [await scene.agent(), await scene.agent()];
      const name = await scene.channel("broadcast");
      await Promise.all([a, b, a, b, a].map((agentId) => scene.store.addChannelMember(name, agentId)));
      expect(await memberIds(scene, name)).toEqual([a, b].sort());
      expect((await scene.store.getChannel(name)).memberCount).toBe(2);
      await Promise.all([a, a, b, a].map((agentId) => scene.store.removeChannelMember(name, agentId)));
      expect((await scene.store.getChannel(name)).memberCount).toBe(0);
    });

    it("must be registered, and the channel there", async () => {
      const scene = stage.scene();
      const [agentId, gone] = [await scene.agent(), await scene.agent()];
      await scene.store.deregisterAgent(gone);
      const name = await scene.channel("broadcast");
      const unknown = scene.id("unknown");
      expect(await caught(scene.store.addChannelMember(name, scene.id("nobody")))).toBe("AGENT_NOT_FOUND");
      expect(await caught(scene.store.addChannelMember(name, gone))).toBe("AGENT_DEREGISTERED");
      expect(await caught(scene.store.addChannelMember(unknown, agentId))).toBe("CHANNEL_NOT_FOUND");
      expect(await caught(scene.store.removeChannelMember(unknown, agentId))).toBe("CHANNEL_NOT_FOUND");
      expect(await caught(scene.store.listChannelMembers(unknown, { limit: 1 }))).toBe("CHANNEL_NOT_FOUND");
    });

    it("are a thousand at most", async () => {
      const scene = stage.scene();
      const agents = await Promise.all(Array.from({ length: 1_001 }, () => scene.agent()));
      const [one = "", another = "", ...rest] = agents;
      const name = await scene.channel("broadcast", { members: [one, ...rest] });
      expect((await scene.store.getChannel(name)).memberCount).toBe(1_000);
      expect(await caught(scene.store.addChannelMember(name, another))).toBe("INVALID_REQUEST");
      expect(await caught(scene.store.addChannelMember(name, one))).toBe("accepted");
      await scene.store.removeChannelMember(name, one);
      expect(await caught(scene.store.addChannelMember(name, another))).toBe("accepted");
      expect(await memberIds(scene, name)).toEqual([another, ...rest].sort());
    }, 120_000);

    it("of one channel share it", async () => {
      const scene = stage.scene();
      const [a, b, c] = [await scene.agent(), await scene.agent(), await scene.agent()];
      const name = await scene.channel("broadcast", { members: [a, b] });
      await scene.channel("work_queue", { members: [b, c] });
      const share = (x: string, y: string) => scene.store.shareChannel(x, y);
      expect([await share(a, b), await share(b, a), await share(b, c)]).toEqual([true, true, true]);
      expect([await share(a, c), await share(c, a)]).toEqual([false, false]);
      expect(await share(a, scene.id("nobody"))).toBe(false);
      await scene.store.removeChannelMember(name, a);
      expect(await share(a, b)).toBe(false);
      await scene.store.addChannelMember(name, a);
      await scene.store.deleteChannel(name);
      expect(await share(a, b)).toBe(false);
    });
  });
}

function grants(open: StoreFactory): void {
  describe("grants", () => {
    const stage = useStore(open);

    it("are put, replaced and taken away", async () => {
      const scene = stage.scene();
      const agentId = await scene.agent();
      const name = await scene.channel("broadcast");
      const put = (rights: Partial<typeof ALL>) => scene.store.putChannelGrant(name, { agentId, ...NONE, ...rights });
      const given = async () => (await scene.store.getChannel(name)).grants;
      await put({ post: true });
      expect(await given()).toEqual([{ agentId, ...NONE, post: true }]);
      await put({ read: true, manage: true });
      expect(await given()).toEqual([{ agentId, ...NONE, read: true, manage: true }]);
      // Each right alone is taken away, and given again.
      for (const right of ["post", "read", "manage"] as const) {
        await put(ALL);
        await put({ ...ALL, [right]: false });
        expect(await given()).toEqual([{ agentId, ...ALL, [right]: false }]);
        const access = await scene.store.findChannelAccess(name, { agentId, role: "worker" });
        expect(access?.[right]).toBe(false);
        await put(ALL);
        expect(await given()).toEqual([{ agentId, ...ALL }]);
      }
      await scene.store.putChannelGrant(name, { role: "supervisor", ...ALL });
      expect(await given()).toHaveLength(2);
      await put({});
      await put({});
      expect(await given()).toEqual([{ role: "supervisor", ...ALL }]);
    });

    it("need a registered agent and a channel", async () => {
      const scene = stage.scene();
      const gone = await scene.agent();
      await scene.store.deregisterAgent(gone);
      const name = await scene.channel("broadcast");
      const put = (grantee: { agentId: string }, channel = name) =>
        caught(scene.store.putChannelGrant(channel, { ...grantee, ...ALL }));
      expect(await put({ agentId: scene.id("nobody") })).toBe("AGENT_NOT_FOUND");
      expect(await put({ agentId: gone })).toBe("AGENT_DEREGISTERED");
      expect(await put({ agentId: await scene.agent() }, scene.id("unknown"))).toBe("CHANNEL_NOT_FOUND");
      // Taking away what is not there needs neither.
      const nothing = { agentId: scene.id("nobody"), ...NONE };
      expect(await caught(scene.store.putChannelGrant(name, nothing))).toBe("accepted");
    });

    it("are two hundred at most", async () => {
      const scene = stage.scene();
      const agents = await Promise.all(Array.from({ length: 201 }, () => scene.agent()));
      const [last = "", ...rest] = agents;
      const name = await scene.channel("broadcast", { grants: rest.map((agentId) => ({ agentId, post: true })) });
      const put = (agentId: string, rights = ALL) => caught(scene.store.putChannelGrant(name, { agentId, ...rights }));
      expect(await put(last)).toBe("INVALID_REQUEST");
      expect(await put(rest[0] ?? "")).toBe("accepted");
      expect(await put(rest[0] ?? "", NONE)).toBe("accepted");
      expect(await put(last)).toBe("accepted");
      expect((await scene.store.getChannel(name)).grants).toHaveLength(200);
    }, 60_000);

    it("of the agent, of its role and of its membership add up to what it may", async () => {
      const scene = stage.scene();
      const [member, poster, other] = [await scene.worker(), await scene.worker(), await scene.supervisor()];
      const name = await scene.channel("work_queue", {
        members: [member],
        grants: [
          { agentId: poster, post: true },
          { role: "supervisor", manage: true },
          { agentId: other, read: true },
        ],
      });
      const access = (agentId: string, role?: "worker" | "supervisor") =>
        scene.store.findChannelAccess(name, { agentId, role });
      expect(await access(member, "worker")).toEqual({ kind: "work_queue", ...NONE, read: true });
      expect(await access(poster, "worker")).toEqual({ kind: "work_queue", ...NONE, post: true });
      expect(await access(other, "supervisor")).toEqual({ kind: "work_queue", post: false, read: true, manage: true });
      expect(await access(other)).toEqual({ kind: "work_queue", ...NONE, read: true });
      expect(await access(scene.id("nobody"), "worker")).toEqual({ kind: "work_queue", ...NONE });
      const unknown = { agentId: member, role: "worker" } as const;
      expect(await scene.store.findChannelAccess(scene.id("unknown"), unknown)).toBeUndefined();
    });

    it("of a role are not those of an agent of that name", async () => {
      const scene = stage.scene();
      await scene.register({ role: "observer", agentId: "worker" });
      const name = await scene.channel("broadcast", { grants: [{ agentId: "worker", post: true }] });
      const someone = await scene.worker();
      expect(await scene.store.findChannelAccess(name, { agentId: someone, role: "worker" })).toMatchObject(NONE);
      expect(await scene.store.findChannelAccess(name, { agentId: "worker", role: "observer" })).toMatchObject({
        post: true,
      });
    });
  });
}

function listing(open: StoreFactory): void {
  describe("lists", () => {
    it("go by name, by kind, and by who may read them", async () => {
      await withStore(open, {}, async (scene) => {
        const [agentId, other] = [await scene.worker(), await scene.worker()];
        await scene.channel("broadcast", { name: "b.member", members: [agentId] });
        await scene.channel("broadcast", {
          name: "e.foreign",
          members: [other],
          grants: [{ agentId: other, read: true }],
        });
        await scene.channel("work_queue", { name: "a.granted", grants: [{ agentId, read: true }] });
        await scene.channel("work_queue", {
          name: "d.role",
          grants: [{ role: "worker", read: true }],
          members: [agentId],
        });
        await scene.channel("work_queue", { name: "c.post", grants: [{ agentId, post: true, manage: true }] });
        const names = async (query: Omit<Parameters<Scene["store"]["listChannels"]>[0], "limit">, limit = 2) => {
          const all = await everyPage((page) => scene.store.listChannels({ ...query, ...page }), limit);
          return all.map((channel) => channel.name);
        };
        expect(await names({})).toEqual(["a.granted", "b.member", "c.post", "d.role", "e.foreign"]);
        expect(await names({ kind: "work_queue" })).toEqual(["a.granted", "c.post", "d.role"]);
        const reader = { agentId, role: "worker" } as const;
        expect(await names({ reader })).toEqual(["a.granted", "b.member", "d.role"]);
        expect(await names({ reader, kind: "broadcast" })).toEqual(["b.member"]);
        expect(await names({ reader: { agentId } }, 1)).toEqual(["a.granted", "b.member", "d.role"]);
        expect(await names({ reader: { agentId: "nobody", role: "worker" } })).toEqual(["d.role"]);
        const [first] = (await scene.store.listChannels({ limit: 1 })).items;
        expect(first).toEqual({
          name: "a.granted",
          kind: "work_queue",
          createdBy: "*",
          createdAt: first?.createdAt,
          memberCount: 0,
        });
      });
    });

    it("of agents know who shares a channel with one, whatever its kind, and leave out the deregistered", async () => {
      await withStore(open, {}, async (scene) => {
        const ids = ["ann", "bob", "cy", "dan", "eve", "fay"];
        for (const agentId of ids) await scene.register({ agentId, role: "worker" });
        await scene.channel("broadcast", { name: "b", members: ["ann", "cy", "eve"] });
        await scene.channel("work_queue", { name: "q", members: ["cy", "dan"] });
        await scene.channel("work_queue", { name: "ann.alone", members: ["ann"] });
        await scene.store.deregisterAgent("eve");
        const found = async (query: Omit<Parameters<Scene["store"]["listAgents"]>[0], "limit">) => {
          const all = await everyPage((page) => scene.store.listAgents({ ...query, ...page }), 2);
          return all.map(({ agentId }) => agentId);
        };
        expect(await found({ registered: true })).toEqual(["ann", "bob", "cy", "dan", "fay"]);
        expect(await found({ matesOf: "ann" })).toEqual(["ann", "cy", "eve"]);
        expect(await found({ matesOf: "ann", registered: true })).toEqual(["ann", "cy"]);
        expect(await found({ matesOf: "cy", registered: true })).toEqual(["ann", "cy", "dan"]);
        expect(await found({ matesOf: "bob" })).toEqual(["bob"]);
        expect(await found({ matesOf: "nobody" })).toEqual([]);
        expect(await found({ matesOf: "cy", status: "inactive" })).toEqual([]);
        const { nextCursor } = await scene.store.listAgents({ matesOf: "cy", limit: 1 });
        const other = { matesOf: "ann", limit: 1, cursor: nextCursor ?? undefined };
        expect(await caught(scene.store.listAgents(other))).toBe("INVALID_REQUEST");
      });
    });

    it("give cursors of their own", async () => {
      await withStore(open, {}, async (scene) => {
        const agents = [await scene.agent(), await scene.agent(), await scene.agent()];
        for (const name of ["a", "b", "c"]) await scene.channel("broadcast", { name, members: agents });
        const { nextCursor } = await scene.store.listChannels({ limit: 1 });
        const cursor = nextCursor ?? undefined;
        expect(await caught(scene.store.listChannels({ limit: 1, cursor, kind: "broadcast" }))).toBe("INVALID_REQUEST");
        expect(await caught(scene.store.listChannelMembers("a", { limit: 1, cursor }))).toBe("INVALID_REQUEST");
        const members = await scene.store.listChannelMembers("a", { limit: 1 });
        const ofA = { limit: 1, cursor: members.nextCursor ?? undefined };
        expect(await caught(scene.store.listChannelMembers("b", ofA))).toBe("INVALID_REQUEST");
        const all = await everyPage((page) => scene.store.listChannelMembers("a", page), 2);
        expect(all.map(({ agentId }) => agentId)).toEqual(agents.sort());
      });
    });
  });

  it("are not seen among the agents", async () => {
    await withStore(open, {}, async (scene) => {
      await scene.channel("broadcast", { name: "news" });
      await scene.channel("work_queue", { name: "jobs" });
      const { store } = scene;
      expect(await store.checkHealth()).toMatchObject({ agentRegistryAccessible: true, recentActivity: false });
      const counted = async () => [await store.registryStatistics(), await store.coordinationStatistics()];
      expect(await counted()).toMatchObject([{ totalAgents: 0, activeAgents: 0 }, { activeAgents: 0 }]);
      await scene.register({ role: "observer", agentId: "0" });
      const listed = async (query: Partial<Parameters<typeof store.listAgents>[0]> = {}) =>
        (await everyPage((page) => store.listAgents({ ...query, ...page }), 1)).map(({ agentId }) => agentId);
      expect(await listed()).toEqual(["0"]);
      expect(await listed({ role: "observer" })).toEqual(["0"]);
      expect(await listed({ status: "active" })).toEqual(["0"]);
      await store.deleteChannel("news");
      expect(await listed({ status: "deregistered" })).toEqual([]);
      expect(await counted()).toMatchObject([
        { totalAgents: 1, activeAgents: 1, byRole: { observer: 1 } },
        { activeAgents: 1 },
      ]);
      expect(await store.checkHealth()).toMatchObject({ recentActivity: true });
    });
  });
}

function deleting(open: StoreFactory): void {
  describe("deleted", () => {
    const stage = useStore(open);

    it("are gone with their members and grants, and can be made anew, of another kind, too", async () => {
      const scene = stage.scene();
      const [creator, member] = [await scene.supervisor(), await scene.agent()];
      const name = await scene.channel("broadcast", { creator, members: [member] });
      expect(await scene.store.deleteChannel(name)).toBe(true);
      expect(await scene.store.deleteChannel(name)).toBe(false);
      expect(await scene.store.deleteChannel(scene.id("unknown"))).toBe(false);
      expect(await caught(scene.store.getChannel(name))).toBe("CHANNEL_NOT_FOUND");
      expect(await scene.store.findChannelAccess(name, { agentId: creator })).toBeUndefined();
      expect(await caught(scene.send(creator, `#${name}`))).toBe("CHANNEL_NOT_FOUND");
      expect(await caught(scene.post(creator, name))).toBe("CHANNEL_NOT_FOUND");
      expect(await caught(scene.claim(member, { channel: name }))).toBe("CHANNEL_NOT_FOUND");
      expect(await scene.store.findDeliverable([`#${name}`])).toEqual([`#${name}`]);
      const { channel, created } = await scene.createChannel({ name, kind: "work_queue" });
      expect({ created, channel }).toMatchObject({
        created: true,
        channel: { kind: "work_queue", memberCount: 0, grants: [] },
      });
      const messageId = await scene.send(creator, `#${name}`);
      expect((await scene.receiveOne(member, { channel: name })).messageId).toBe(messageId);
    });

    it("leave what waited in their mailbox to the dead letters, and no new one gets it", async () => {
      const scene = stage.scene();
      const [sender, member] = [await scene.agent(), await scene.agent()];
      const name = await scene.channel("work_queue", { members: [member] });
      const leased = await scene.send(sender, `#${name}`, { priority: "urgent" });
      const waiting = await scene.send(sender, `#${name}`);
      const { attempt } = await scene.receiveOne(member, { channel: name });
      await scene.store.deleteChannel(name);
      expect(await caught(scene.channel("work_queue", { name, members: [member] }))).toBe("ID_TAKEN");
      await scene.store.sweep();
      expect(await scene.settle(member, { messageId: leased, attempt }, "complete")).toBe("lease_lost");
      const dead = await everyPage((page) => scene.store.listDeadLetters({ ...page, receiver: `#${name}` }));
      expect(dead.map(({ messageId }) => messageId).sort()).toEqual([leased, waiting].sort());
      expect(new Set(dead.map(({ reason }) => reason))).toEqual(new Set(["RECEIVER_DEREGISTERED"]));
      const redrive = () => scene.store.redriveDeadLetters({ filter: { receiver: `#${name}` }, dryRun: false });
      expect(await redrive()).toBe(0);
      await scene.channel("work_queue", { name, members: [member] });
      expect(await scene.receive(member, { channel: name })).toEqual([]);
      expect(await redrive()).toBe(2);
      expect(await scene.receive(member, { channel: name, maxMessages: 5 })).toHaveLength(2);
    });
  });
}

function upkeep(open: StoreFactory): void {
  it("are never silent: neither sweep nor maintenance touches them", async () => {
    await withStore(open, { heartbeatTimeoutSeconds: 90, inactiveRetentionDays: 1 }, async (scene) => {
      const name = await scene.channel("work_queue");
      for (let days = 0; days < 6; days++) {
        await scene.pass(2 * DAY);
        await scene.store.maintain();
      }
      const [sender, member] = [await scene.agent(), await scene.agent()];
      await scene.send(sender, `#${name}`);
      expect(await scene.receive(member, { channel: name })).toHaveLength(1);
    });
  });

  it("forget members that are deleted, and keep no agent from being deleted", async () => {
    await withStore(open, { inactiveRetentionDays: 10 }, async (scene) => {
      const [gone, staying] = [await scene.agent(), await scene.agent()];
      const name = await scene.channel("broadcast", { creator: gone, members: [gone, staying] });
      await scene.store.deregisterAgent(gone);
      expect((await scene.store.getChannel(name)).memberCount).toBe(2);
      scene.advance(11 * DAY);
      expect((await scene.store.maintain()).agentsDeleted).toBe(1);
      expect(await caught(scene.store.getAgent(gone))).toBe("AGENT_NOT_FOUND");
      expect(await scene.store.getChannel(name)).toMatchObject({ memberCount: 1, grants: [] });
      expect(await memberIds(scene, name)).toEqual([staying]);
      // Who takes that id later inherits nothing.
      await scene.register({ role: "observer", agentId: gone });
      expect(await scene.store.findChannelAccess(name, { agentId: gone, role: "observer" })).toMatchObject(NONE);
    });
  });

  it("that were deleted long ago leave nothing behind", async () => {
    await withStore(open, { inactiveRetentionDays: 10 }, async (scene) => {
      const name = await scene.channel("work_queue");
      await scene.store.deleteChannel(name);
      await scene.pass(11 * DAY);
      expect((await scene.store.maintain()).agentsDeleted).toBe(0);
      expect((await scene.createChannel({ name, kind: "broadcast" })).created).toBe(true);
    });
  });
}

/** Every change of a channel, and by whom; nothing of it is said of an agent. */
function recorded(open: StoreFactory): void {
  it("are recorded: made, changed and deleted, by whom", async () => {
    await withStore(open, { inactiveRetentionDays: 10 }, async (scene) => {
      const [creator, a, b] = [await scene.supervisor(), await scene.agent(), await scene.agent()];
      const name = scene.fresh("channel");
      const as = <T>(actor: string, act: () => Promise<T>) => actingAs({ actor, credential: "token" }, act);
      const { store } = scene;
      const input: CreateChannelInput = {
        name,
        kind: "work_queue",
        members: [a],
        grants: [{ role: "worker", read: true }],
      };
      for (let n = 0; n < 2; n++) await as(creator, () => scene.createChannel(input, creator));
      for (let n = 0; n < 2; n++) await as("chief", () => store.addChannelMember(name, b));
      for (let n = 0; n < 2; n++) await as("chief", () => store.removeChannelMember(name, a));
      for (let n = 0; n < 2; n++) await as(b, () => store.putChannelGrant(name, { agentId: a, ...ALL }));
      for (let n = 0; n < 2; n++) await as(b, () => store.putChannelGrant(name, { agentId: a, ...NONE }));
      await as(b, () => store.putChannelGrant(name, { agentId: b, ...NONE, post: true }));
      await store.deregisterAgent(b);
      scene.advance(11 * DAY);
      await store.maintain();
      for (let n = 0; n < 2; n++) await as("chief", () => store.deleteChannel(name));
      const all = await deeds(scene, { subjectKind: "channel", subjectId: name });
      const made = all.slice(0, 4);
      expect(made[0]).toEqual([creator, "channel.created", { kind: "work_queue", members: 1, grants: 2 }]);
      expect(made[1]).toEqual([creator, "channel.member_added", { agentId: a }]);
      expect(made.slice(2)).toEqual(
        expect.arrayContaining([
          [creator, "channel.grant_changed", { grantee: "@worker", ...NONE, read: true }],
          [creator, "channel.grant_changed", { grantee: creator, ...ALL }],
        ]),
      );
      expect(all.slice(4)).toEqual([
        ["chief", "channel.member_added", { agentId: b }],
        ["chief", "channel.member_removed", { agentId: a }],
        [b, "channel.grant_changed", { grantee: a, ...ALL }],
        [b, "channel.grant_changed", { grantee: a, ...NONE }],
        [b, "channel.grant_changed", { grantee: b, ...NONE, post: true }],
        ["system", "channel.member_removed", { agentId: b }],
        ["system", "channel.grant_changed", { grantee: b, ...NONE }],
        ["chief", "channel.deleted", { kind: "work_queue", members: 0, grants: 2 }],
      ]);
      expect(await deeds(scene, { subjectId: `#${name}` })).toEqual([]);
    });
  });
}

async function memberIds(scene: Scene, name: string): Promise<string[]> {
  const all = await everyPage((page) => scene.store.listChannelMembers(name, page));
  return all.map(({ agentId }) => agentId);
}
