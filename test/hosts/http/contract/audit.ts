import { describe, expect, it } from "@jest/globals";
import { type Api, expectProblem } from "./support.ts";

interface Entry {
  entryNo: number;
  actor: string;
  action: string;
  subjectId: string;
  detail: Record<string, unknown>;
}

export function auditRoutes(api: () => Api): void {
  describe("the audit", () => {
    it("shows what was done to an agent, by whom, without what is nobody's business", async () => {
      const agentId = await api().register("worker", { metadata: { secret: "marked" } });
      await api().ok("DELETE /agents/{agentId}", { agentId });
      const query = `subjectKind=agent&subjectId=${agentId}`;
      const reply = await api().ok<{ entries: Entry[]; nextCursor: string | null }>("GET /audit", {}, { query });
      expect(reply.nextCursor).toBeNull();
      expect(reply.entries.map(({ actor, action }) => [actor, action])).toEqual([
        [agentId, "agent.deregistered"],
        [agentId, "agent.registered"],
      ]);
      expect(JSON.stringify(reply)).not.toContain("marked");
      const later = await api().call("GET /audit", {}, { query: `${query}&from=2100-01-01T00:00:00Z` });
      expect(later.json).toEqual({ entries: [], nextCursor: null });
    });

    it("is sealed by maintenance; its digest is that of the newest block", async () => {
      await api().register();
      await api().ok("POST /maintenance");
      const digest = await api().ok<{ blockNo: number; hash: string }>("GET /audit/digest");
      expect(digest.blockNo).toBeGreaterThan(0);
      const { block, members, strays } = await api().ok<{ block: { entryCount: number }; members: []; strays: [] }>(
        "GET /audit/blocks/{blockNo}",
        { blockNo: String(digest.blockNo) },
      );
      expect(block).toMatchObject({ blockNo: digest.blockNo, hash: digest.hash });
      expect(members).toHaveLength(block.entryCount);
      expect(strays).toEqual([]);
      const query = `after=${digest.blockNo - 1}`;
      const { blocks } = await api().ok<{ blocks: object[] }>("GET /audit/blocks", {}, { query });
      expect(blocks).toContainEqual(block);
    });

    it("refuses what is no action, no time, no block", async () => {
      for (const query of ["action=agent.praised", "from=yesterday", "subjectKind=thing", "limit=0"]) {
        expectProblem(await api().call("GET /audit", {}, { query }), "INVALID_REQUEST");
      }
      expectProblem(await api().call("GET /audit/blocks", {}, { query: "after=-1" }), "INVALID_REQUEST");
      expectProblem(await api().call("GET /audit/blocks", {}, { query: "after=0x1" }), "INVALID_REQUEST");
      for (const blockNo of ["0", "-1", "1.5", "one", "0x1", "1e0", "%201", "+1", "9007199254740992"]) {
        expectProblem(await api().call("GET /audit/blocks/{blockNo}", { blockNo }), "INVALID_REQUEST");
      }
      const blockNo = "9007199254740991";
      expectProblem(await api().call("GET /audit/blocks/{blockNo}", { blockNo }), "NOT_FOUND");
    });
  });
}
