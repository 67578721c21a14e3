import { createHash } from "node:crypto";
import type { z } from "zod";
import { defineRoute, type Reply, type Route } from "../lib/http/route.ts";
import type { openApiSchema } from "../lib/model/contract/service.ts";

interface Prepared {
  text: string;
  etag: string;
}

/** Made once, text and all: anyone may ask for its 160 kB, and the table does not change while the process runs. */
let prepared: Promise<Prepared> | undefined;

async function prepare(): Promise<Prepared> {
  // Loaded on first use: the document is made from the route table, which this file is part of.
  const { openApiDocument } = await import("../lib/http/openapi.ts");
  // The table has this very route in it, so its type may not be inferred from here.
  const table: { routes: readonly Route[] } = await import("./route-table.ts");
  const text = JSON.stringify(openApiDocument(table.routes));
  return { text, etag: `"${createHash("sha256").update(text).digest("base64url").slice(0, 22)}"` };
}

/** RFC 9110, section 13.1.2: any of the list, or `*`; weak ones count. */
function matches(ifNoneMatch: string | undefined, etag: string): boolean {
  const known = (ifNoneMatch ?? "").split(",").map((one) => one.trim().replace(/^W\//, ""));
  return known.includes("*") || known.includes(etag);
}

export const openApi = defineRoute({
  key: "GET /openapi.json",
  name: "openApi",
  summary: "Returns this OpenAPI document",
  description: "It is made from the table of routes that the service answers.",
  example: { reply: { openapi: "3.1.0", paths: {} } },
  idle: false,
  allow: "anyone",
  longReply: true,
  statuses: [200],
  async handler(_services, { header }): Promise<Reply<z.output<typeof openApiSchema>>> {
    prepared ??= prepare();
    const { text, etag } = await prepared;
    const contentType = "application/json; charset=utf-8";
    const headers = { etag, "cache-control": "no-cache" };
    if (matches(header("if-none-match"), etag)) return { status: 304, text: "", contentType, headers };
    return { status: 200, text, contentType, headers };
  },
});
