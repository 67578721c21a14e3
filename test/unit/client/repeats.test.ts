import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { AgentClient, isUnreachable } from "../../../src/client/index.ts";
import { routes } from "../../../src/functions/route-table.ts";
import type { Repeat } from "../../../src/lib/model/operations.ts";
import { CALLS } from "./every-call.ts";
import { type Asked, refusal, type Switchboard, send, startSwitchboard } from "./scripted-switchboard.ts";

const UUID = /^[0-9a-f-]{36}$/;

/** What identifies the request as a repeat, as it stands in the request. */
const IDENTITY: Readonly<Partial<Record<Repeat, (asked: Asked) => unknown>>> = {
  messageId: ({ body }) => body.messageId,
  messageIds: ({ body }) => Reflect.get(Object(Array.isArray(body.messages) ? body.messages[0] : {}), "messageId"),
  taskId: ({ body }) => body.taskId,
  claimId: ({ body }) => body.claimId,
  idempotencyKey: ({ headers }) => headers["idempotency-key"],
};

/** The client repeats a call, or does not, as the table of operations says. */
describe("a call whose answer was lost", () => {
  let switchboard: Switchboard;
  let client: AgentClient;
  beforeEach(async () => {
    switchboard = await startSwitchboard();
    client = new AgentClient({ baseUrl: switchboard.baseUrl });
    let requests = 0;
    switchboard.on("", (_asked, response) => {
      requests += 1;
      if (requests === 1) response.destroy();
      else send(response, {});
    });
  });
  afterEach(() => switchboard.close());

  for (const { key, repeat } of routes) {
    if (repeat === "unsafe" || repeat === "unneeded") {
      it(`is not repeated: ${key}`, async () => {
        const error = await CALLS[key](client).catch((thrown: unknown) => thrown);
        expect(isUnreachable(error)).toBe(true);
        expect(switchboard.asked).toHaveLength(1);
      });
      continue;
    }
    it(`is repeated as it was, with the same id: ${key}`, async () => {
      await CALLS[key](client);
      const [first, second] = switchboard.asked;
      expect(switchboard.asked).toHaveLength(2);
      expect([second?.method, second?.path, second?.body]).toEqual([first?.method, first?.path, first?.body]);
      const identity = IDENTITY[repeat];
      if (identity === undefined || first === undefined || second === undefined) return;
      expect(identity(first)).toMatch(UUID);
      expect(identity(second)).toBe(identity(first));
    });
  }

  for (const { key } of routes.filter(({ repeat }) => repeat === "unsafe")) {
    it(`is repeated after 429, which says that nothing was done: ${key}`, async () => {
      let requests = 0;
      switchboard.on("", (asked, response) => {
        requests += 1;
        if (requests === 1) refusal(429, "RATE_LIMITED", { "retry-after": "0" })(asked, response);
        else send(response, {});
      });
      await CALLS[key](client);
      expect(switchboard.asked).toHaveLength(2);
    });
  }
});
