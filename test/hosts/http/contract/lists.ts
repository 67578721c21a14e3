import { describe, expect, it } from "@jest/globals";
import { z } from "zod";
import type { Api } from "./support.ts";

const peeked = z.object({
  messages: z.array(z.looseObject({ messageId: z.string() })),
  nextCursor: z.string().nullable(),
});

export function listRoutes(api: () => Api): void {
  describe("lists", () => {
    it("of large messages come in pages of at most 4 MiB, each once", async () => {
      const [sender, receiver] = [await api().register(), await api().register()];
      const sent: string[] = [];
      for (let i = 0; i < 20; i++) {
        sent.push(await api().message(sender, receiver, { payload: { text: "x".repeat(250_000) } }));
      }
      const listed: unknown[] = [];
      let query = "limit=200";
      for (let page = 0; page < 2; page++) {
        const answer = await api().call("GET /agents/{agentId}/messages", { agentId: receiver }, { query });
        expect(Buffer.byteLength(answer.text)).toBeLessThanOrEqual(4 * 1_024 * 1_024);
        const { messages, nextCursor } = peeked.parse(answer.json);
        listed.push(...messages.map(({ messageId }) => messageId));
        expect(nextCursor === null).toBe(page === 1);
        query = `limit=200&cursor=${nextCursor ?? ""}`;
      }
      expect(listed).toEqual(sent);
    });
  });
}
