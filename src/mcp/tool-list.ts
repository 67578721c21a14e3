import type { ListToolsResult } from "@modelcontextprotocol/server";
import { z } from "zod";
import { mayCall } from "./caller-calls.ts";
import type { Audience } from "./exchange.ts";
import type { Tool } from "./tool.ts";
import { tools } from "./tool-table.ts";

/** The list of tools that a caller gets: those that its role may call, made once for each role. */

type ListedTool = ListToolsResult["tools"][number];

/** A JSON Schema of an object, as the SDK has its type. */
const plainSchema = z
  .object({
    type: z.literal("object"),
    properties: z.record(z.string(), z.json()).optional(),
    required: z.array(z.string()).optional(),
  })
  .catchall(z.json());

/** JSON of any kind says so by saying nothing; defaults and bounds of numbers that no model needs are left out. */
function inputSchemaOf(tool: Tool): ListedTool["inputSchema"] {
  const schema = z.toJSONSchema(tool.input, {
    io: "input",
    unrepresentable: "any",
    override({ jsonSchema }) {
      // The largest safe integer is the bound of every whole number.
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      if (jsonSchema.format === "date-time") delete jsonSchema.pattern;
    },
  });
  const { $schema: _, ...rest } = schema;
  return plainSchema.parse(JSON.parse(JSON.stringify(rest)));
}

function listed(tool: Tool): ListedTool {
  const { name, title, description, annotations } = tool;
  return {
    name,
    title,
    description,
    inputSchema: inputSchemaOf(tool),
    annotations: { ...annotations, openWorldHint: false },
  };
}

const lists = new Map<Audience, ListToolsResult>();

/** @returns the same object for every caller of a role */
export function toolListFor(audience: Audience): ListToolsResult {
  let list = lists.get(audience);
  if (list === undefined) {
    list = { tools: tools.filter((tool) => mayCall(audience, tool.route)).map(listed) };
    lists.set(audience, list);
  }
  return list;
}
