import { z } from "zod";
import { defineRoute, type Reply, type Route } from "../lib/http/route.ts";

/** Enough to tell an OpenAPI document; the rest is OpenAPI's own schema. */
const openApiSchema = z.looseObject({ openapi: z.string(), paths: z.record(z.string(), z.unknown()) });

/** Made once: the table does not change while the process runs. */
let document: z.output<typeof openApiSchema> | undefined;

export const openApi = defineRoute({
  key: "GET /openapi.json",
  name: "openApi",
  summary: "This interface as an OpenAPI 3.1 document",
  allow: "anyone",
  params: undefined,
  query: undefined,
  body: undefined,
  reply: openApiSchema,
  statuses: [200],
  async handler(): Promise<Reply<z.output<typeof openApiSchema>>> {
    if (document === undefined) {
      // Loaded on first use: the document is made from the route table, which this file is part of.
      const { openApiDocument } = await import("../lib/http/openapi.ts");
      // The table has this very route in it, so its type may not be inferred from here.
      const table: { routes: readonly Route[] } = await import("./route-table.ts");
      document = openApiDocument(table.routes);
    }
    return { status: 200, body: document };
  },
});
