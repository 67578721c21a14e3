import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { readConfig } from "../../../src/lib/config/config.ts";
import type { AgentRole } from "../../../src/lib/model/agent.ts";
import { OffsetClock } from "../../../src/lib/model/clock.ts";
import { type AgentCommunicationError, isAgentCommunicationError } from "../../../src/lib/model/errors.ts";
import { createServices, type Services } from "../../../src/lib/services.ts";
import { openStore } from "../../../src/lib/store/open-store.ts";
import type { Store } from "../../../src/lib/store/store.ts";
import { actingAs } from "../../../src/lib/trace/call-context.ts";
import { caught, SECOND } from "../../contract/support.ts";
import { temporaryFolder } from "../../hosts/http/local-host.ts";

/** Who may do what with a channel, and who may write to whom: the rules above the store (design section 6, Channels). */

let folder: string;
let clock: OffsetClock;
let store: Store;
/** Two processes on one store, as far as what they remember goes. */
let here: Services;
let there: Services;
let strict: Services;

const ROLES: Readonly<Record<string, AgentRole>> = {
  lead: "supervisor",
  other: "supervisor",
  ann: "worker",
  bob: "worker",
  eye: "observer",
  chief: "admin",
};

beforeEach(async () => {
  folder = temporaryFolder();
  clock = new OffsetClock();
  const config = readConfig({ AGENT_MOCK_DATABASE: join(folder, "agents.db") });
  store = await openStore(config, clock);
  here = createServices({ config, clock, store });
  there = createServices({ config, clock, store });
  strict = createServices({ config: { ...config, channelPolicy: "restricted" }, clock, store });
  for (const [agentId, role] of Object.entries(ROLES)) await here.registry.register({ agentId, role });
});

afterEach(async () => {
  for (const services of [here, there, strict]) services.messages.close();
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("the directory", () => {
  const seen = async (agentId: string, services: Services) => {
    const { agents } = await as(agentId, () => services.channels.directory());
    return agents.map((agent) => agent.agentId);
  };
  const all = Object.keys(ROLES).sort();

  it("names everybody where everybody may write to everybody", async () => {
    for (const agentId of all) expect(await seen(agentId, here)).toEqual(all);
  });

  it("names those that share a channel under the policy restricted, and all to admins and observers", async () => {
    await as("lead", () => strict.channels.create({ name: "team", kind: "broadcast", members: ["lead", "ann"] }));
    expect(await seen("ann", strict)).toEqual(["ann", "lead"]);
    expect(await seen("lead", strict)).toEqual(["ann", "lead"]);
    expect(await seen("bob", strict)).toEqual(["bob"]);
    expect(await seen("chief", strict)).toEqual(all);
    expect(await seen("eye", strict)).toEqual(all);
    await strict.registry.deregister("lead");
    expect(await seen("ann", strict)).toEqual(["ann"]);
  });

  it("says of each who it is, what it can do and whether it is there, and nothing else", async () => {
    await here.registry.register({ agentId: "bob", role: "worker", capabilities: ["b"], metadata: { secret: 1 } });
    const { agents } = await as("ann", () => here.channels.directory({ capability: "b" }));
    expect(agents).toEqual([{ agentId: "bob", role: "worker", capabilities: ["b"], status: "active" }]);
  });
});

/** On behalf of an agent that has proved who it is. */
function as<T>(agentId: string, act: () => Promise<T>): Promise<T> {
  return actingAs({ actor: agentId, role: ROLES[agentId] ?? "worker", credential: "token" }, act);
}

async function refusal(promise: Promise<unknown>): Promise<AgentCommunicationError> {
  try {
    await promise;
  } catch (error) {
    if (isAgentCommunicationError(error)) return error;
    throw error;
  }
  throw new Error("it was accepted");
}

const note = (sender: string, receiver: string) => ({ sender, receiver, type: "notification", payload: { n: 1 } });
const send = (sender: string, receiver: string, services = here) =>
  as(sender, () => services.messages.send(note(sender, receiver)));

describe("rights on a channel", () => {
  it("end with it for whoever holds a message of a work queue: it is settled, and not held on", async () => {
    await as("lead", () => here.channels.create({ name: "jobs", kind: "work_queue", members: ["ann"] }));
    await send("lead", "#jobs");
    await send("lead", "#jobs");
    const receive = () => here.messages.receiveFromChannel("jobs", { agentId: "ann", maxMessages: 2 });
    const { messages } = await as("ann", receive);
    const [{ messageId = "", attempt = 0 } = {}] = messages;
    const held = { agentId: "ann", attempt };
    const renew = () => caught(here.messages.renew(messageId, held));
    expect(await as("ann", renew)).toBe("accepted");
    await as("lead", () => here.channels.removeMember("jobs", "ann"));
    expect(await as("ann", renew)).toBe("LEASE_LOST");
    // Of an admin, and where nobody proves anything, no right is asked.
    expect([await as("chief", renew), await renew()]).toEqual(["accepted", "accepted"]);
    expect(await as("ann", () => here.messages.complete(messageId, held))).toMatchObject({ status: "completed" });
  });

  it("are the creator's, all three; a member may read; nobody else may do anything", async () => {
    await as("lead", () => here.channels.create({ name: "jobs", kind: "work_queue", members: ["ann"] }));
    expect(await caught(send("lead", "#jobs"))).toBe("accepted");
    expect(await caught(send("ann", "#jobs"))).toBe("CHANNEL_FORBIDDEN");
    const receive = (agentId: string) => as(agentId, () => here.messages.receiveFromChannel("jobs", { agentId }));
    expect((await receive("ann")).messages).toHaveLength(1);
    expect(await caught(receive("bob"))).toBe("CHANNEL_FORBIDDEN");
    expect(await caught(as("ann", () => here.channels.get("jobs")))).toBe("accepted");
    expect(await caught(as("ann", () => here.channels.addMember("jobs", "bob")))).toBe("CHANNEL_FORBIDDEN");
    expect(await caught(as("ann", () => here.channels.delete("jobs")))).toBe("CHANNEL_FORBIDDEN");
    expect(await caught(as("other", () => here.channels.putGrant("jobs", { agentId: "other", post: true })))).toBe(
      "CHANNEL_FORBIDDEN",
    );
    expect(await caught(as("lead", () => here.channels.addMember("jobs", "bob")))).toBe("accepted");
    expect((await receive("bob")).messages).toEqual([]);
  });

  it("can be given to a role, each right by itself", async () => {
    const grants = [{ role: "worker" as const, post: true }];
    await as("lead", () => here.channels.create({ name: "jobs", kind: "work_queue", grants }));
    expect(await caught(send("ann", "#jobs"))).toBe("accepted");
    expect(await caught(as("ann", () => here.channels.get("jobs")))).toBe("CHANNEL_FORBIDDEN");
    expect(await caught(as("ann", () => here.messages.peekChannel("jobs")))).toBe("CHANNEL_FORBIDDEN");
    await as("lead", () => here.channels.putGrant("jobs", { agentId: "ann", manage: true }));
    // Managing is not reading; but who manages can give itself the right to.
    expect(await caught(as("ann", () => here.channels.members("jobs")))).toBe("CHANNEL_FORBIDDEN");
    await as("ann", () => here.channels.putGrant("jobs", { agentId: "ann", manage: true, read: true }));
    expect(await caught(as("ann", () => here.channels.members("jobs")))).toBe("accepted");
    expect(await caught(as("ann", () => here.channels.delete("jobs")))).toBe("accepted");
  });

  it("an admin has them all, an observer sees all and does nothing", async () => {
    await as("lead", () => here.channels.create({ name: "jobs", kind: "work_queue" }));
    expect(await caught(send("chief", "#jobs"))).toBe("accepted");
    expect(await caught(as("chief", () => here.channels.addMember("jobs", "bob")))).toBe("accepted");
    expect(await caught(as("eye", () => here.channels.members("jobs")))).toBe("accepted");
    expect(await caught(as("eye", () => here.messages.peekChannel("jobs")))).toBe("accepted");
    expect(await caught(as("eye", () => here.channels.addMember("jobs", "ann")))).toBe("CHANNEL_FORBIDDEN");
    expect(await caught(as("chief", () => here.channels.delete("jobs")))).toBe("accepted");
    expect(await caught(as("chief", () => here.channels.get("jobs")))).toBe("CHANNEL_NOT_FOUND");
    expect(await caught(as("eye", () => here.channels.get("jobs")))).toBe("CHANNEL_NOT_FOUND");
  });

  it("do not tell others whether a channel is there", async () => {
    await as("lead", () => here.channels.create({ name: "secret", kind: "work_queue" }));
    const doors = (name: string): (() => Promise<unknown>)[] => [
      () => here.messages.send(note("ann", `#${name}`)),
      () => here.messages.sendBatch({ messages: [note("ann", `#${name}`)] }),
      () => here.channels.get(name),
      () => here.channels.delete(name),
      () => here.channels.members(name),
      () => here.channels.addMember(name, "ann"),
      () => here.channels.addMember(name, "nobody"),
      () => here.channels.removeMember(name, "ann"),
      () => here.channels.putGrant(name, { agentId: "ann", read: true }),
      () => here.messages.receiveFromChannel(name, { agentId: "ann" }),
      () => here.messages.receiveFromChannel(name, { agentId: "ann", waitSeconds: 1 }),
      () => here.messages.peekChannel(name),
    ];
    const said = async (name: string) => {
      const all: string[] = [];
      for (const door of doors(name)) {
        const { code, message } = await refusal(as("ann", door));
        all.push(`${code} ${message.replaceAll(name, "<name>")}`);
      }
      return all;
    };
    const unknown = await said("unknown");
    expect(await said("secret")).toEqual(unknown);
    expect(unknown.every((text) => text.startsWith("CHANNEL_FORBIDDEN "))).toBe(true);
  });

  it("are named when one is missing", async () => {
    await as("lead", () => here.channels.create({ name: "jobs", kind: "work_queue" }));
    const said = async (act: () => Promise<unknown>) => (await refusal(as("ann", act))).message;
    const missing = (deed: string) => `The channel jobs does not exist, or the caller may not ${deed}.`;
    expect(await said(() => here.messages.send(note("ann", "#jobs")))).toBe(missing("post to it"));
    expect(await said(() => here.channels.get("jobs"))).toBe(missing("read it"));
    expect(await said(() => here.channels.delete("jobs"))).toBe(missing("manage it"));
    const gone = await refusal(as("chief", () => here.channels.get("none")));
    expect(gone.message).toBe("There is no channel none.");
  });

  it("narrow the list to what the caller may read", async () => {
    await as("lead", () => here.channels.create({ name: "a", kind: "work_queue", members: ["ann"] }));
    await as("lead", () =>
      here.channels.create({ name: "b", kind: "broadcast", grants: [{ role: "worker", post: true }] }),
    );
    await as("other", () =>
      here.channels.create({ name: "c", kind: "broadcast", grants: [{ role: "worker", read: true }] }),
    );
    const list = async (agentId: string, query = {}) =>
      (await as(agentId, () => here.channels.list(query))).channels.map(({ name }) => name);
    expect(await list("ann")).toEqual(["a", "c"]);
    expect(await list("bob")).toEqual(["c"]);
    expect(await list("lead")).toEqual(["a", "b"]);
    expect(await list("lead", { kind: "broadcast" })).toEqual(["b"]);
    for (const all of ["chief", "eye"]) expect(await list(all)).toEqual(["a", "b", "c"]);
    expect((await here.channels.list()).channels).toHaveLength(3);
  });
});

describe("making a channel", () => {
  it("is recognised when it is repeated, however members and grants are ordered", async () => {
    const grants = [{ role: "worker" as const, post: true }, { agentId: "bob", read: true }, { agentId: "ann" }];
    const first = { name: "jobs", kind: "work_queue" as const, members: ["bob", "ann", "bob"], grants };
    const again = { ...first, members: ["ann", "bob"], grants: grants.slice(0, 2).reverse() };
    expect((await as("lead", () => here.channels.create(first))).created).toBe(true);
    expect((await as("lead", () => here.channels.create(again))).created).toBe(false);
    expect(await caught(as("other", () => here.channels.create(again)))).toBe("ID_TAKEN");
  });

  it("is shown to a maker that repeats it only while it may read it", async () => {
    const request = { name: "jobs", kind: "broadcast" as const, members: ["ann"], grants: [] };
    await as("lead", () => here.channels.create(request));
    await as("chief", () => there.channels.putGrant("jobs", { agentId: "lead" }));
    expect(await caught(as("lead", () => here.channels.create(request)))).toBe("CHANNEL_FORBIDDEN");
    await as("chief", () => there.channels.putGrant("jobs", { agentId: "lead", read: true }));
    expect((await as("lead", () => here.channels.create(request))).created).toBe(false);
  });

  it("needs a registered maker, unless that is an admin", async () => {
    const make = (actor: string, role: AgentRole) =>
      caught(
        actingAs({ actor, role, credential: "token" }, () => here.channels.create({ name: "x", kind: "broadcast" })),
      );
    expect(await make("nobody", "supervisor")).toBe("AGENT_NOT_FOUND");
    expect(await make("root", "admin")).toBe("accepted");
    expect((await here.channels.get("x")).createdBy).toBe("root");
  });

  it("refuses two grants for the same, and names that are none", async () => {
    const make = (input: object) => refusal(here.channels.create({ name: "x", kind: "broadcast", ...input }));
    const twice = await make({ grants: [{ role: "worker" }, { agentId: "ann" }, { role: "worker", post: true }] });
    expect(twice.errors).toEqual([expect.objectContaining({ path: "grants.2" })]);
    for (const grants of [[{ post: true }], [{ agentId: "a", role: "worker" }], [{ role: "boss" }]]) {
      expect((await make({ grants })).code).toBe("INVALID_REQUEST");
    }
    for (const name of ["#x", "", ".x", "x y", "x".repeat(101)])
      expect((await make({ name })).code).toBe("INVALID_REQUEST");
    expect(await caught(here.channels.create({ name: "x".repeat(100), kind: "broadcast" }))).toBe("accepted");
    expect(await caught(here.messages.send(note("ann", `#${"x".repeat(100)}`)))).toBe("accepted");
  });
});

describe("what was known of a channel", () => {
  it("is forgotten at once where it changes, and elsewhere within five seconds", async () => {
    await as("lead", () => here.channels.create({ name: "jobs", kind: "work_queue" }));
    const [sendHere, sendThere] = [() => caught(send("ann", "#jobs", here)), () => caught(send("ann", "#jobs", there))];
    expect([await sendHere(), await sendThere()]).toEqual(["CHANNEL_FORBIDDEN", "CHANNEL_FORBIDDEN"]);
    await as("lead", () => here.channels.putGrant("jobs", { agentId: "ann", post: true }));
    expect([await sendHere(), await sendThere()]).toEqual(["accepted", "CHANNEL_FORBIDDEN"]);
    clock.advance(5 * SECOND);
    expect(await sendThere()).toBe("accepted");
    await as("lead", () => here.channels.putGrant("jobs", { agentId: "ann" }));
    expect([await sendHere(), await sendThere()]).toEqual(["CHANNEL_FORBIDDEN", "accepted"]);
    clock.advance(5 * SECOND);
    expect(await sendThere()).toBe("CHANNEL_FORBIDDEN");
  });

  it("is asked again when the channel has gone meanwhile, or come back as another kind", async () => {
    const make = (kind: "broadcast" | "work_queue") =>
      as("lead", () => here.channels.create({ name: "x", kind, members: ["ann"] }));
    await make("work_queue");
    expect(await caught(send("lead", "#x", there))).toBe("accepted");
    await as("ann", () => there.messages.receiveFromChannel("x", { agentId: "ann" }));
    await as("lead", () => here.channels.delete("x"));
    await store.sweep();
    expect(await caught(send("lead", "#x", there))).toBe("CHANNEL_FORBIDDEN");
    expect(await caught(send("chief", "#x", there))).toBe("CHANNEL_NOT_FOUND");
    await make("broadcast");
    expect(await caught(send("lead", "#x", there))).toBe("accepted");
    expect((await store.peekMessages("ann", { limit: 5 })).items).toHaveLength(1);
    const receive = () => as("ann", () => there.messages.receiveFromChannel("x", { agentId: "ann" }));
    expect(await caught(receive())).toBe("INVALID_REQUEST");
  });
});

describe("posts and queues", () => {
  beforeEach(async () => {
    await as("lead", () => here.channels.create({ name: "news", kind: "broadcast", members: ["ann", "bob"] }));
    await as("lead", () => here.channels.create({ name: "jobs", kind: "work_queue", members: ["ann"] }));
  });

  it("go by the receiver's kind; a batch takes work queues only, and says which message is wrong", async () => {
    const { messageId } = await send("lead", "#news");
    expect((await here.messages.get(messageId)).status).toBe("completed");
    expect((await store.peekMessages("bob", { limit: 5 })).items[0]).toMatchObject({
      postId: messageId,
      channel: "news",
    });
    const batch = (...receivers: string[]) =>
      as("lead", () => here.messages.sendBatch({ messages: receivers.map((receiver) => note("lead", receiver)) }));
    expect((await batch("#jobs", "ann", "#jobs")).results).toHaveLength(3);
    const refused = await refusal(batch("#jobs", "#news"));
    expect(refused.errors).toEqual([
      { path: "messages.1.receiver", message: "#news is a broadcast channel, and a batch cannot contain posts" },
    ]);
  });

  it("are told apart when they are received from", async () => {
    expect(
      (await refusal(as("ann", () => here.messages.receiveFromChannel("news", { agentId: "ann" })))).message,
    ).toContain("the mailboxes of its members");
    expect(await caught(as("ann", () => here.messages.peekChannel("news")))).toBe("INVALID_REQUEST");
  });

  it("carry the verified sender to everybody", async () => {
    await send("lead", "#news");
    await send("lead", "#jobs");
    const verified = { sender: "lead", senderRole: "supervisor", senderCredential: "token" };
    expect((await here.messages.receive("bob")).messages[0]).toMatchObject(verified);
    const own = await as("ann", () => here.messages.receiveFromChannel("jobs", { agentId: "ann" }));
    expect(own.messages[0]).toMatchObject({ ...verified, holder: "ann" });
  });

  it("keep to the schema of their type", async () => {
    await here.messageTypes.put("news.item", { schema: { type: "object", required: ["title"] } });
    const post = (payload: { title?: string }) =>
      caught(as("lead", () => here.messages.send({ ...note("lead", "#news"), type: "news.item", payload })));
    expect(await post({})).toBe("SCHEMA_MISMATCH");
    expect(await post({ title: "x" })).toBe("accepted");
  });
});

describe("without authentication", () => {
  it("channels allow everything to everybody, but must be there", async () => {
    await here.channels.create({ name: "jobs", kind: "work_queue" });
    expect(await caught(here.messages.send(note("ann", "#jobs")))).toBe("accepted");
    expect((await here.messages.receiveFromChannel("jobs", { agentId: "bob" })).messages).toHaveLength(1);
    expect(await caught(here.channels.addMember("jobs", "bob"))).toBe("accepted");
    expect(await caught(here.messages.send(note("ann", "#unknown")))).toBe("CHANNEL_NOT_FOUND");
    expect(await caught(here.messages.receiveFromChannel("unknown", { agentId: "ann" }))).toBe("CHANNEL_NOT_FOUND");
    expect(await caught(here.channels.delete("unknown"))).toBe("CHANNEL_NOT_FOUND");
    expect(await caught(here.channels.delete("jobs"))).toBe("accepted");
    expect(await caught(here.channels.delete("jobs"))).toBe("CHANNEL_NOT_FOUND");
  });
});

describe("the policy restricted", () => {
  const write = (sender: string, receiver: string) => caught(send(sender, receiver, strict));

  it("lets agents write to members of their channels, to themselves, and admins to anybody", async () => {
    await as("lead", () => strict.channels.create({ name: "team", kind: "work_queue", members: ["ann", "bob"] }));
    expect(await write("ann", "bob")).toBe("accepted");
    expect(await write("bob", "ann")).toBe("accepted");
    expect(await write("ann", "ann")).toBe("accepted");
    // Whoever made the channel is not therefore a member.
    expect(await write("lead", "ann")).toBe("CHANNEL_FORBIDDEN");
    expect(await write("ann", "other")).toBe("CHANNEL_FORBIDDEN");
    expect(await write("chief", "other")).toBe("accepted");
    expect(await write("other", "chief")).toBe("CHANNEL_FORBIDDEN");
    await as("lead", () => strict.channels.removeMember("team", "ann"));
    expect(await write("bob", "ann")).toBe("CHANNEL_FORBIDDEN");
    const batch = as("bob", () => strict.messages.sendBatch({ messages: [note("bob", "bob"), note("bob", "ann")] }));
    expect(await caught(batch)).toBe("CHANNEL_FORBIDDEN");
    expect((await store.peekMessages("bob", { limit: 9 })).items).toHaveLength(1);
  });

  it("does not tell whether the receiver exists", async () => {
    const words = async (receiver: string) => {
      const { code, message } = await refusal(send("ann", receiver, strict));
      return `${code} ${message.replaceAll(receiver, "<receiver>")}`;
    };
    expect(await words("nobody")).toBe(await words("other"));
    expect(await caught(send("chief", "nobody", strict))).toBe("AGENT_NOT_FOUND");
  });

  it("leaves channels to their grants, and the switchboard's own messages alone", async () => {
    await as("lead", () =>
      strict.channels.create({ name: "jobs", kind: "work_queue", grants: [{ agentId: "ann", post: true }] }),
    );
    expect(await write("ann", "#jobs")).toBe("accepted");
    await strict.registry.register({ agentId: "hand", role: "worker", capabilities: ["dig"] });
    const task = { supervisor: "lead", taskType: "dig", requiredCapabilities: ["dig"] };
    expect(await as("lead", () => strict.coordinator.assign(task))).toMatchObject({ assignedTo: "hand" });
    expect((await strict.messages.receive("hand")).messages[0]).toMatchObject({ type: "task_assignment" });
  });

  it("holds without authentication as well, by the sender that is named and its registered role", async () => {
    await strict.channels.create({ name: "team", kind: "broadcast", members: ["ann", "bob"] });
    const believed = (sender: string, receiver: string) => caught(strict.messages.send(note(sender, receiver)));
    expect(await believed("ann", "bob")).toBe("accepted");
    expect(await believed("ann", "other")).toBe("CHANNEL_FORBIDDEN");
    expect(await believed("chief", "other")).toBe("accepted");
    expect(await believed("nobody", "other")).toBe("CHANNEL_FORBIDDEN");
    expect(await believed("ann", "nobody")).toBe("CHANNEL_FORBIDDEN");
  });
});
