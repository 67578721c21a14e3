import { describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import { routes } from "../../../src/functions/route-table.ts";
import { CALLS } from "./every-call.ts";

/** The client has a method for each route of the table, and each asks exactly for its route. */
describe("AgentClient", () => {
  it("has a method for every route", () => {
    expect(Object.keys(CALLS).sort()).toEqual(routes.map(({ key }) => key).sort());
  });

  for (const route of routes) {
    it(`asks for ${route.key} with a body that the route accepts`, async () => {
      const asked: { line: string; body: unknown }[] = [];
      const client = new AgentClient({
        baseUrl: "http://127.0.0.1:9/api",
        fetch: async (url, init) => {
          const body: unknown = typeof init.body === "string" ? JSON.parse(init.body) : undefined;
          asked.push({ line: `${init.method} ${new URL(url).pathname}`, body });
          return new Response("{}");
        },
      });
      await CALLS[route.key](client);
      const ids = {
        agentId: "a",
        messageId: "m",
        taskId: "t",
        type: "x.y",
        credentialId: "c",
        name: "n",
        blockNo: "7",
        workflowId: "w",
        scheduleId: "s",
      };
      const path = Object.entries(ids).reduce((text, [name, id]) => text.replace(`{${name}}`, id), route.key as string);
      expect(asked.map(({ line }) => line)).toEqual([path.replace(" ", " /api")]);
      if (route.body !== undefined) expect(route.body.safeParse(asked[0]?.body).error).toBeUndefined();
    });
  }
});
