import { randomUUID } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import { type Api, expectProblem } from "./support.ts";

interface Issued {
  credential: { credentialId: string; kind: string; agentId?: string };
  secret?: string;
}

export function credentialRoutes(api: () => Api): void {
  describe("credentials", () => {
    const issue = (body: object) => api().ok<Issued>("POST /credentials", {}, { body });
    const refused = async (body: object) =>
      expectProblem(await api().call("POST /credentials", {}, { body }), "INVALID_REQUEST");

    it("issues a token, shows its secret once, lists and revokes it", async () => {
      const agentId = await api().register();
      const { credential, secret } = await issue({ kind: "token", agentId, label: "laptop", expiresInSeconds: 3_600 });
      expect(secret).toMatch(new RegExp(`^agt_${credential.credentialId}_[\\w-]{43}_[0-9a-f]{8}$`));
      const list = await api().call("GET /credentials", {}, { query: `agentId=${agentId}&kind=token` });
      expect(list.json).toEqual({ credentials: [credential], nextCursor: null });
      expect(list.text).not.toContain("secret");
      const { credentialId } = credential;
      const revoked = await api().ok("DELETE /credentials/{credentialId}", { credentialId });
      expect(revoked).toEqual({ ...credential, revokedAt: expect.any(String) });
      expect(await api().ok("DELETE /credentials/{credentialId}", { credentialId })).toEqual(revoked);
    });

    it("issues enrolment keys, and binds principals and certificates, which have no secret", async () => {
      const agentIdPrefix = api().id("fleet");
      const key = { kind: "enrolment", roles: ["worker"], agentIdPrefix, maxUses: 2, expiresInSeconds: 60 };
      const { credential, secret } = await issue(key);
      expect(credential).toMatchObject({ kind: "enrolment", agentIdPrefix, maxUses: 2, usesLeft: 2 });
      expect(secret).toMatch(/^enr_/);
      const objectId = randomUUID();
      const principal = await issue({ kind: "principal", objectId: objectId.toUpperCase(), agentIdPrefix });
      expect(principal).toEqual({
        credential: expect.objectContaining({ kind: "principal", objectId, agentIdPrefix }),
      });
      const again = await api().call("POST /credentials", {}, { body: { kind: "principal", objectId, agentIdPrefix } });
      expectProblem(again, "ID_TAKEN");
      const agentId = await api().register();
      const thumbprint = randomUUID().replaceAll("-", "").repeat(2);
      const certificate = await issue({ kind: "certificate", agentId, thumbprint: thumbprint.toUpperCase() });
      expect(certificate).toEqual({ credential: expect.objectContaining({ agentId, thumbprint }) });
    });

    it("tell a request that shows no token that they are about one", async () => {
      const agentId = await api().register();
      const answers = [
        await api().call("GET /token"),
        await api().call("POST /agents/{agentId}/token", { agentId }, { body: {} }),
      ];
      for (const answer of answers) expect(expectProblem(answer, "FORBIDDEN").detail).toContain("presents none");
    });

    it("lists in pages, the newest first", async () => {
      const agentId = await api().register();
      const ids: string[] = [];
      for (let n = 0; n < 3; n += 1) ids.unshift((await issue({ kind: "token", agentId })).credential.credentialId);
      type Page = { credentials: { credentialId: string }[]; nextCursor: string | null };
      const list = (query: string) => api().ok<Page>("GET /credentials", {}, { query: `agentId=${agentId}&${query}` });
      const first = await list("limit=2");
      const second = await list(`limit=2&cursor=${encodeURIComponent(first.nextCursor ?? "")}`);
      expect(second.nextCursor).toBeNull();
      expect([...first.credentials, ...second.credentials].map((one) => one.credentialId)).toEqual(ids);
    });

    it("refuses what is no credential, and names the place", async () => {
      const agentId = await api().register();
      expect((await refused({ kind: "password", agentId })).errors).toEqual([
        expect.objectContaining({ path: "kind" }),
      ]);
      expect((await refused({ kind: "token" })).errors).toEqual([expect.objectContaining({ path: "agentId" })]);
      const key = { kind: "enrolment", roles: ["worker"], agentIdPrefix: "x", maxUses: 1, expiresInSeconds: 60 };
      expect((await refused({ ...key, roles: ["admin"] })).errors).toEqual([
        expect.objectContaining({ path: "roles.0" }),
      ]);
      await refused({ ...key, roles: [] });
      await refused({ ...key, roles: ["worker", "worker"] });
      await refused({ ...key, maxUses: 0 });
      await refused({ ...key, maxUses: 10_001 });
      await refused({ ...key, agentIdPrefix: "" });
      await refused({ ...key, expiresInSeconds: undefined });
      await refused({ kind: "token", agentId, expiresInSeconds: -1 });
      await refused({ kind: "token", agentId, label: "two\nlines" });
      await refused({ kind: "token", agentId, label: "x".repeat(129) });
      await refused({ kind: "token", agentId, secret: "mine" });
      await refused({ kind: "principal", objectId: "me", agentIdPrefix: "x" });
      await refused({ kind: "principal", objectId: randomUUID() });
      await refused({ kind: "principal", objectId: randomUUID(), agentIdPrefix: "x", agentIds: ["x"] });
      const ids = Array.from({ length: 101 }, (_, n) => `a-${n}`);
      await refused({ kind: "principal", objectId: randomUUID(), agentIds: ids });
      await refused({ kind: "certificate", agentId });
      await refused({ kind: "certificate", agentId, thumbprint: "ab".repeat(20) });
      await refused({ kind: "certificate", agentId, thumbprint: "ab".repeat(32), subject: "CN=x" });
    });

    it("does not know unknown agents and credentials", async () => {
      const body = { kind: "token", agentId: api().id("nobody") };
      expectProblem(await api().call("POST /credentials", {}, { body }), "AGENT_NOT_FOUND");
      const credentialId = "01890000-0000-7000-8000-000000000000";
      expectProblem(await api().call("DELETE /credentials/{credentialId}", { credentialId }), "NOT_FOUND");
      const shouted = { credentialId: credentialId.toUpperCase().replace("8000", "ABCD") };
      expectProblem(await api().call("DELETE /credentials/{credentialId}", shouted), "INVALID_REQUEST");
    });
  });
}
