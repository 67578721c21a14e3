import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { routes } from "../../../src/functions/route-table.ts";
import { agentRoutes } from "./contract/agents.ts";
import { auditRoutes } from "./contract/audit.ts";
import { badInput } from "./contract/bad-input.ts";
import { channelRoutes } from "./contract/channels.ts";
import { credentialRoutes } from "./contract/credentials.ts";
import { sensitiveContents } from "./contract/encryption.ts";
import { listRoutes } from "./contract/lists.ts";
import { messageRoutes } from "./contract/messages.ts";
import { names } from "./contract/names.ts";
import { numbers } from "./contract/numbers.ts";
import { pathsAndMethods } from "./contract/paths.ts";
import { questionRoutes } from "./contract/questions.ts";
import { scheduleRoutes } from "./contract/schedules.ts";
import { statisticsRoutes } from "./contract/statistics.ts";
import { Api, servedRoutes } from "./contract/support.ts";
import { taskRoutes } from "./contract/tasks.ts";
import { traces } from "./contract/traces.ts";
import { usageRoutes } from "./contract/usage.ts";
import { waitingBadInput } from "./contract/waiting-bad-input.ts";
import { workflowRoutes } from "./contract/workflows.ts";
import { type LocalHost, startLocalHost } from "./local-host.ts";

/** These answer about the token that a request shows; this suite shows none (test/system/attacks/registration-bounds.test.ts does). */
const OF_A_TOKEN: readonly string[] = ["GET /token", "POST /agents/{agentId}/token"];

/** The HTTP contract: against AGENT_TEST_URL (npm run test:http -- --url …) or a local host of its own. */

let host: LocalHost | undefined;
let api: Api;

beforeAll(async () => {
  const given = process.env.AGENT_TEST_URL;
  if (given === undefined) host = await startLocalHost();
  api = new Api(given ?? host?.url ?? "");
});

afterAll(async () => {
  await host?.stop();
});

const get = () => api;

describe("the HTTP contract", () => {
  agentRoutes(get);
  credentialRoutes(get);
  messageRoutes(get);
  listRoutes(get);
  channelRoutes(get);
  taskRoutes(get);
  questionRoutes(get);
  workflowRoutes(get);
  scheduleRoutes(get);
  usageRoutes(get);
  traces(get);
  sensitiveContents(get);
  auditRoutes(get);
  statisticsRoutes(get);
  badInput(get);
  waitingBadInput(get);
  names(get);
  numbers(get);
  pathsAndMethods(get);

  it("has been kept by every route of the table at least once", () => {
    const keys = routes.map((route) => route.key).filter((key) => !OF_A_TOKEN.includes(key));
    expect([...servedRoutes].sort()).toEqual(keys.sort());
  });
});
