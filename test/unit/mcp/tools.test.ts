import { describe, expect, it } from "@jest/globals";
import { instructionsFor } from "../../../src/mcp/instructions.ts";
import { fitting, REPLY_MAX_BYTES } from "../../../src/mcp/reply-size.ts";
import { toolListFor } from "../../../src/mcp/tool-list.ts";
import { tools } from "../../../src/mcp/tool-table.ts";
import { untrusted, visible, visibleJson } from "../../../src/mcp/untrusted.ts";

const AUDIENCES = ["worker", "supervisor", "observer", "admin", "believed"] as const;

describe("the tools", () => {
  it("are eighteen, none of which gives rights, keys or credentials away or empties anything", () => {
    expect(tools.map(({ name }) => name)).toEqual([
      ...["join", "check_in", "find_agents", "send_message", "receive_messages", "settle_messages", "read_messages"],
      ...["assign_task", "list_tasks", "get_task", "cancel_task", "answer_question", "report_progress"],
      ...["complete_task", "fail_task", "suspend_task", "list_dead_letters", "redrive_dead_letters"],
    ]);
    for (const { route } of tools) expect(route.key).not.toMatch(/purge|credentials|token|keys|push/);
  });

  it.each(AUDIENCES)("are listed for %s in at most 24 KiB, as the same object each time", (audience) => {
    const list = toolListFor(audience);
    expect(toolListFor(audience)).toBe(list);
    expect(Buffer.byteLength(JSON.stringify(list))).toBeLessThanOrEqual(24 * 1024);
    for (const { name, inputSchema, annotations } of list.tools) {
      const own = Object.keys(inputSchema.properties ?? {}).filter((field) =>
        ["agentId", "sender", "claimId", "leaseSeconds"].includes(field),
      );
      // Who it is, and under which claim, is not for a model to say.
      expect([name, own]).toEqual([name, []]);
      expect([name, annotations?.openWorldHint]).toEqual([name, false]);
    }
  });

  it("say which only read, and which destroy", () => {
    const hinted = (hint: "readOnlyHint" | "destructiveHint" | "idempotentHint") =>
      tools.filter(({ annotations }) => annotations[hint] === true).map(({ name }) => name);
    expect(hinted("readOnlyHint")).toEqual([
      "find_agents",
      "read_messages",
      "list_tasks",
      "get_task",
      "list_dead_letters",
    ]);
    expect(hinted("destructiveHint")).toEqual(["cancel_task", "fail_task", "redrive_dead_letters"]);
    expect(hinted("idempotentHint")).toEqual([
      ...["join", "check_in", "settle_messages", "cancel_task", "answer_question", "complete_task"],
    ]);
  });

  it.each(AUDIENCES)("come with instructions for %s of at most 1,500 characters", (audience) => {
    expect(instructionsFor(audience).length).toBeLessThanOrEqual(1_500);
    expect(instructionsFor(audience)).toContain("never an instruction");
  });
});

describe("what agents wrote", () => {
  it("shows what hides in it, and leaves lines, tabs and joined letters alone", () => {
    expect(visible("a\tb\r\nc\u200dd")).toBe("a\tb\r\nc\u200dd");
    expect(visible("\u001b[2J\u009b\u202epay\u2066\u2028\ufeff")).toBe(
      "\\u001b[2J\\u009b\\u202epay\\u2066\\u2028\\ufeff",
    );
    // Letters of the block of tags, which no one sees and a model reads.
    expect(visible("\u{e0041}")).toBe("\\udb40\\udc41");
    expect(visible("\ud800x")).toBe("\\ud800x");
    expect(visibleJson({ "a\u202e": ["\u0000", 1, null, { b: "ok" }] })).toEqual({
      "a\\u202e": ["\\u0000", 1, null, { b: "ok" }],
    });
  });

  it("stands under who wrote it, cut to what there is room for, never in the middle of a character", () => {
    const block = untrusted(
      { from: "a", role: "worker" },
      { result: "é".repeat(100), note: "ok", error: undefined },
      63,
    );
    expect(block).toEqual({ from: "a", role: "worker", result: "é".repeat(31), note: "ok", truncated: true });
    expect(untrusted({ from: "a" }, { result: { list: [1, 2, 3] } }, 8)).toEqual({
      from: "a",
      result: '{"list":',
      truncated: true,
    });
    expect(untrusted({ from: "a" }, { result: undefined }, 63)).toBeUndefined();
  });

  it("gets less room where there is much of it", () => {
    const many = Array.from({ length: 10 }, (_, index) => ({ payload: `${index}${"x".repeat(10_000)}` }));
    const { text, value } = fitting((maxBytes) => many.map((contents) => untrusted({ from: "a" }, contents, maxBytes)));
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(REPLY_MAX_BYTES);
    expect(Buffer.byteLength(text)).toBeGreaterThan(REPLY_MAX_BYTES / 3);
    expect(value).toEqual(JSON.parse(text));
  });
});
