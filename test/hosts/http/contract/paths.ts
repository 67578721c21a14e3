import { describe, expect, it } from "@jest/globals";
import { routes } from "../../../../src/functions/route-table.ts";
import { BASE_PATH, type Route } from "../../../../src/lib/http/route.ts";
import { type Api, expectProblem } from "./support.ts";

export function pathsAndMethods(api: () => Api): void {
  describe("paths and methods", () => {
    it("answers wrong methods with 405 and Allow", async () => {
      for (const { key } of routes) {
        const path = key.slice(key.indexOf(" ") + 1).replaceAll(/\{\w+\}/g, "x");
        const pattern = key.slice(key.indexOf(" ") + 1);
        const allowed = routes.filter((route) => route.key.endsWith(` ${pattern}`)).map((route) => route.method);
        const answer = await api().send("PATCH", path);
        expectProblem(answer, "METHOD_NOT_ALLOWED");
        expect(answer.headers.allow?.split(", ").sort()).toEqual(expect.arrayContaining([...allowed].sort()));
      }
    });

    it("answers wrong methods so in any case and with a trailing slash", async () => {
      for (const path of [
        "/agents",
        "/AGENTS",
        "/Agents/",
        "/agents/",
        "/dead-letters/Redrive",
        "/DEAD-LETTERS/redrive/",
      ]) {
        const answer = await api().send("DELETE", path);
        expectProblem(answer, "METHOD_NOT_ALLOWED");
        expect([path, answer.headers.allow]).toEqual([path, /redrive/i.test(path) ? "POST" : "POST, GET, HEAD"]);
      }
      for (const path of ["/dead-letters//redrive", "/dead-letters/redrive/x/"])
        expectProblem(await api().send("DELETE", path), "NOT_FOUND");
    });

    it("answers OPTIONS in the same way, and HEAD where there is no GET", async () => {
      expectProblem(await api().send("OPTIONS", "/dead-letters/redrive"), "METHOD_NOT_ALLOWED");
      const head = await api().send("HEAD", "/dead-letters/redrive");
      expect([head.status, head.text, head.headers.allow]).toEqual([405, "", "POST"]);
    });

    it("answers HEAD wherever GET is: its status and headers, and no body", async () => {
      const agentId = await api().register();
      const paths = routes
        .filter((route: Route) => route.method === "GET" && !route.waits)
        .map(({ path }) =>
          path
            .slice(BASE_PATH.length)
            .replaceAll("{agentId}", agentId)
            .replaceAll(/\{\w+\}/g, "x"),
        );
      for (const path of [...paths, "/health/", "/HEALTH", "/nope", "/agents?limit=0"]) {
        const get = await api().send("GET", path);
        const head = await api().send("HEAD", path);
        expect([path, head.status, head.text]).toEqual([path, get.status, ""]);
        expect(head.headers["content-type"]).toBe(get.headers["content-type"]);
      }
      expect((await api().send("HEAD", "/health")).status).toBe(200);
    });

    it("does not answer HEAD where a GET can wait", async () => {
      const waiting = routes.filter((route: Route) => route.method === "GET" && route.waits).map(({ key }) => key);
      expect(waiting).toEqual(["GET /agents/{agentId}/messages", "GET /tasks/{taskId}"]);
      const head = await api().send("HEAD", "/tasks/x");
      expect([head.status, head.text, head.headers.allow]).toEqual([405, "", "GET"]);
    });

    it("takes HEAD for no sign of life", async () => {
      const agentId = await api().register();
      const before = await api().ok("GET /agents/{agentId}", { agentId });
      await api().send("HEAD", `/agents/${agentId}`);
      expect(await api().ok("GET /agents/{agentId}", { agentId })).toEqual(before);
    });

    it("answers unknown paths with 404", async () => {
      for (const path of [
        "",
        "/",
        "/nope",
        "/agents/a/b/c",
        "/messages/a/complete/x",
        "/health/live/x",
        "/openapi",
        "/agents/a/b?x=1",
      ]) {
        for (const method of ["GET", "POST", "DELETE"]) expectProblem(await api().send(method, path), "NOT_FOUND");
      }
    });

    it("answers every path outside of the API with the same 404, whatever the method, the headers and the body", async () => {
      for (const path of ["/", "/index.php", "/.env", "/apix", "/wp-admin/setup.php?x=1", "/.well-known/nothing"]) {
        for (const method of ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
          const answer = await api().atRoot(method, path, { headers: { origin: "https://evil.example" } });
          expectProblem(answer, "NOT_FOUND");
        }
        const head = await api().atRoot("HEAD", path);
        expect([path, head.status, head.text]).toEqual([path, 404, ""]);
      }
    });

    it("takes literals in any case and one trailing slash; parameters keep theirs", async () => {
      const agentId = api().id("CamelCase");
      await api().ok("POST /agents", {}, { body: { agentId, role: "worker" } });
      for (const path of [`/AGENTS/${agentId}`, `/agents/${agentId}/`]) {
        expect((await api().send("GET", path)).json).toMatchObject({ agentId });
      }
      expectProblem(await api().send("GET", `/agents/${agentId.toLowerCase()}`), "AGENT_NOT_FOUND");
      const encoded = [...agentId].map((letter) => `%${letter.charCodeAt(0).toString(16)}`).join("");
      expect((await api().send("GET", `/agents/${encoded}`)).json).toMatchObject({ agentId });
    });

    it("answers malformed ids with 400", async () => {
      for (const id of [
        "a%2Fb",
        "a%20b",
        "%00",
        "%zz",
        "%F0%28",
        "-a",
        "a%5Cb",
        "x".repeat(129),
        "x".repeat(3_000),
        "%E2%80%8B",
      ]) {
        const answer = await api().send("GET", `/agents/${id}`);
        // A host may refuse such a path before it reaches us; what reaches us is a problem document.
        if (answer.text !== "") expectProblem(answer, "INVALID_REQUEST");
        else expect([400, 404]).toContain(answer.status);
      }
      expectProblem(await api().send("GET", "/message-types/Upper"), "INVALID_REQUEST");
    });

    it("never serves something else through dot segments or double slashes", async () => {
      for (const path of ["/agents/..%2f..%2fetc", "/agents//", "//agents/x", "/agents/%2e%2e/x", "/messages/..%5c"]) {
        const answer = await api().send("GET", path);
        expect([400, 404]).toContain(answer.status);
      }
    });

    it("give the OpenAPI document with an entity tag, and 304 to a caller that has it", async () => {
      const first = await api().send("GET", "/openapi.json");
      const etag = first.headers.etag ?? "";
      expect([first.status, etag]).toEqual([200, expect.stringMatching(/^"[\w-]{22}"$/)]);
      for (const known of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
        const again = await api().send("GET", "/openapi.json", { headers: { "if-none-match": known } });
        expect([known, again.status, again.headers.etag]).toEqual([known, 304, etag]);
      }
      const other = await api().send("GET", "/openapi.json", { headers: { "if-none-match": '"other"' } });
      expect(other.status).toBe(200);
    });
  });
}
