import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { runFile } from "../../support/run-process.ts";

/** Taking messages out of a mailbox by the command line. */
describe("the command line on mailboxes", () => {
  let host: LocalHost;
  let client: AgentClient;
  const run = (args: readonly string[]) =>
    runFile("src/cli/main.ts", args, { environment: { AGENT_COMMUNICATION_URL: host.baseUrl } });

  beforeAll(async () => {
    host = await startLocalHost();
    client = new AgentClient({ baseUrl: host.baseUrl });
    for (const agentId of ["post", "spam"]) await client.registerAgent({ agentId, role: "worker" });
    await client.createChannel({ name: "queue", kind: "work_queue", members: ["post"] });
  });
  afterAll(async () => {
    await host?.stop();
  });

  const send = (messageId: string, more: object = {}) =>
    client.sendMessage({ messageId, sender: "spam", receiver: "post", type: "notification", ...more });

  it("messages withdraw takes back what is queued, and says why it cannot", async () => {
    await send("oops", { delaySeconds: 3_600 });
    const { code, out } = await run(["messages", "withdraw", "oops"]);
    expect(code).toBe(0);
    expect(out).toMatch(/^status +expired$/m);
    expect(await client.getMessage("oops")).toMatchObject({ status: "expired", reason: "WITHDRAWN" });
    await send("taken");
    await client.receiveMessages("post");
    const late = await run(["messages", "withdraw", "taken"]);
    expect([late.code, late.error]).toEqual([1, expect.stringContaining("can no longer be withdrawn: it is leased")]);
    expect((await run(["messages", "withdraw", "nothing"])).code).toBe(1);
  });

  it("messages purge counts, then ends what matches, in a work queue, too", async () => {
    const deliverAt = new Date(Date.now() + 300 * 86_400_000).toISOString();
    await send("far", { deliverAt });
    await send("near");
    const dueAfter = new Date(Date.now() + 86_400_000).toISOString();
    const far = ["messages", "purge", "post", "--due-after", dueAfter, "--sender", "spam"];
    expect((await run([...far, "--dry-run"])).out).toMatch(/^count +1$/m);
    expect((await run(far)).out).toMatch(/^count +1$/m);
    expect(await client.getMessage("far")).toMatchObject({ status: "expired", reason: "PURGED" });
    expect(await client.getMessage("near")).toMatchObject({ status: "queued" });
    await send("in-queue", { receiver: "#queue" });
    expect((await run(["messages", "purge", "#queue", "--all"])).out).toMatch(/^count +1$/m);
  });

  it("messages purge wants a filter or --all", async () => {
    for (const args of [[], ["--all", "--sender", "spam"]]) {
      const { code, error } = await run(["messages", "purge", "post", ...args]);
      expect([code, error]).toEqual([2, expect.stringContaining("give either a filter")]);
    }
  });
});
