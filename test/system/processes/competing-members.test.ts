import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "@jest/globals";
import { temporaryFolder } from "../../hosts/http/local-host.ts";
import { recount } from "../../support/recount.ts";
import { competingMembers } from "./competing-members.ts";

const folder = temporaryFolder();
const file = join(folder, "agents.db");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const environment = { AGENT_COMMUNICATION_MODE: "mock", AGENT_MOCK_DATABASE: file };
competingMembers(async () => environment, { leaseMilliseconds: 4_000, patienceMilliseconds: 60_000 });

it("every counter equals its rows afterwards", () => {
  expect(recount(file)).toEqual([]);
});
