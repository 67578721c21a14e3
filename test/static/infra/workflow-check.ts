import { registerHooks } from "node:module";
import { text } from "node:stream/consumers";
import { z } from "zod";

/**
 * GitHub's own parser of workflows, as a program: reads `{name: text}` from its input and writes `{name: [what is wrong]}`. It
 * knows every key, every value that is of a kind, and which contexts an expression may use where.
 */

// It imports JSON as bundlers take it, without saying so as Node asks for.
registerHooks({
  load: (url, context, next) =>
    next(url, url.endsWith(".json") ? { ...context, importAttributes: { type: "json" } } : context),
});
const { convertWorkflowTemplate, NoOperationTraceWriter, parseWorkflow } = await import("@actions/workflow-parser");

async function problemsOf(name: string, content: string): Promise<string[]> {
  const { context, value } = parseWorkflow({ name, content }, new NoOperationTraceWriter());
  if (value === undefined) return context.errors.getErrors().map(({ message }) => message);
  const { errors = [] } = await convertWorkflowTemplate(context, value, undefined, { fetchReusableWorkflowDepth: 0 });
  return [...context.errors.getErrors().map(({ message }) => message), ...errors.map(({ Message }) => Message)];
}

const workflows = z.record(z.string(), z.string()).parse(JSON.parse(await text(process.stdin)));
const answers: Record<string, string[]> = {};
for (const [name, content] of Object.entries(workflows)) answers[name] = [...new Set(await problemsOf(name, content))];
process.stdout.write(JSON.stringify(answers));
