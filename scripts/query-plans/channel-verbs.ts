import { requestHash } from "../../src/lib/model/ids.ts";
import type { Store } from "../../src/lib/store/store.ts";
import type { HotVerb, Stage } from "./hot-verbs.ts";
import { newMessage, PAYLOAD } from "./inputs.ts";

/** What is called through channels, with other channels around: each has ten members. */

const CHANNELS = 3_000;
const MEMBERS = 10;
const QUEUE = "measured-queue";
const NEWS = "measured-news";

/** Channels that nothing is sent to, once: rows between those that are looked for. */
const FILL = `IF NOT EXISTS (SELECT 1 FROM dbo.channels AS c WHERE c.name = 'filled-1')
BEGIN
  INSERT INTO dbo.agents (agent_id, role, status, set_no, registered_at, status_changed_at)
  SELECT TOP (${CHANNELS}) CONCAT('#filled-', ROW_NUMBER() OVER (ORDER BY a.agent_no)), 'observer', 'active', a.set_no, 1, 1
  FROM dbo.agents AS a ORDER BY a.agent_no;
  INSERT INTO dbo.channels (channel_no, name, kind, created_by, created_at, request_hash, members, grants)
  SELECT a.agent_no, SUBSTRING(a.agent_id, 2, 100), 'work_queue', '*', 1, 'filled', ${MEMBERS}, 1
  FROM dbo.agents AS a WHERE a.agent_id LIKE '#filled-%';
  INSERT INTO dbo.channel_members (channel_no, agent_no, added_at)
  SELECT c.channel_no, a.agent_no, 1
  FROM (SELECT x.channel_no, ROW_NUMBER() OVER (ORDER BY x.channel_no) AS n FROM dbo.channels AS x WHERE x.request_hash = 'filled') AS c
  JOIN (SELECT x.agent_no, ROW_NUMBER() OVER (ORDER BY x.agent_no) AS n FROM dbo.agents AS x WHERE x.agent_id LIKE 'agent-%') AS a
    ON a.n BETWEEN c.n AND c.n + ${MEMBERS - 1};
  INSERT INTO dbo.channel_grants (channel_no, grantee, may_post, may_read, may_manage)
  SELECT c.channel_no, '@worker', 1, 0, 0 FROM dbo.channels AS c WHERE c.request_hash = 'filled';
END;`;

async function makeChannels({ store, pool }: Stage): Promise<void> {
  await pool.request().batch(FILL);
  const members = Array.from({ length: MEMBERS }, (_, index) => `agent-${index}`);
  for (const [name, kind] of [
    [QUEUE, "work_queue"],
    [NEWS, "broadcast"],
  ] as const) {
    const request = {
      name,
      kind,
      members,
      grants: [{ role: "worker" as const, post: true, read: false, manage: false }],
    };
    await store.createChannel({
      ...request,
      creator: "*",
      creatorMustBeRegistered: false,
      requestHash: requestHash(request),
    });
  }
}

const message = (receiver: string) => newMessage({ sender: "lead", receiver, type: "query", payload: PAYLOAD });

function claim(store: Store, maxMessages: number) {
  const lease = { maxMessages, leaseMilliseconds: 3_600_000, maxBytes: 10_000_000 };
  return store.claimMessages({ agentId: "agent-1", channel: QUEUE, ...lease });
}

function verb(
  name: string,
  act: (stage: Stage) => Promise<() => Promise<unknown>>,
  calls: readonly number[] = [1],
): HotVerb {
  return {
    name,
    calls,
    async prepare(stage) {
      await makeChannels(stage);
      return act(stage);
    },
  };
}

export const CHANNEL_VERBS: readonly HotVerb[] = [
  verb(
    "send to a work queue",
    async ({ store }) =>
      () =>
        store.sendMessages([message(`#${QUEUE}`)]),
    [1, 32],
  ),
  verb("claim from a work queue", async ({ store }) => {
    await store.sendMessages([message(`#${QUEUE}`)]);
    return () => claim(store, 10);
  }),
  verb("settle a work queue's message", async ({ store }) => {
    await store.sendMessages([message(`#${QUEUE}`)]);
    const { messages } = await claim(store, 1);
    const [{ messageId, attempt } = { messageId: "", attempt: 0 }] = messages;
    return () => store.settleMessages("agent-1", [{ messageId, attempt, outcome: "complete" }]);
  }),
  verb(
    `post to ${MEMBERS} members`,
    async ({ store }) =>
      () =>
        store.broadcastMessage(message(`#${NEWS}`)),
  ),
  verb("what an agent may do with a channel", async ({ store }) => {
    const reader = { agentId: "agent-5", role: "worker" } as const;
    return () => store.findChannelAccess(QUEUE, reader);
  }),
  verb(
    "whether two agents share a channel",
    async ({ store }) =>
      () =>
        store.shareChannel("agent-5", "agent-50"),
  ),
  verb("list what an agent may read", async ({ store }) => {
    const reader = { agentId: "agent-5", role: "supervisor" } as const;
    return () => store.listChannels({ limit: 50, reader });
  }),
  verb("add and remove a member", async ({ store }) => async () => {
    await store.addChannelMember(QUEUE, "agent-77");
    await store.removeChannelMember(QUEUE, "agent-77");
  }),
];
