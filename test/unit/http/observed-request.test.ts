import { describe, expect, it } from "@jest/globals";
import { routes } from "../../../src/functions/route-table.ts";
import { observedRequest } from "../../../src/lib/http/observed-request.ts";
import type { RawReply } from "../../../src/lib/http/problem.ts";
import type { Attributes, Span, SpanStart, Telemetry } from "../../../src/lib/trace/telemetry.ts";

/** What telemetry is told of a request. */

/** Writes down what it is told. */
function recorder() {
  const told: { start?: SpanStart; ends: string[]; measured: [string, Attributes | undefined][] } = {
    ends: [],
    measured: [],
  };
  const span: Span = {
    traceparent: "",
    set: () => undefined,
    link: () => undefined,
    fail: (code) => void told.ends.push(`failed ${code}`),
    refuse: (code) => void told.ends.push(`refused ${code}`),
    keep: () => undefined,
  };
  const telemetry: Telemetry = {
    span: (start, run) => {
      told.start = start;
      return run(span);
    },
    measure: (name, _value, attributes) => void told.measured.push([name, attributes]),
    record: () => undefined,
    count: () => undefined,
    watch: () => undefined,
    swept: () => undefined,
    tee: (log) => log,
    stop: async () => undefined,
  };
  return { telemetry, told };
}

describe("a request", () => {
  const route = routes.find(({ key }) => key === "GET /tasks/{taskId}");

  it.each<[number, RawReply["code"], string[]]>([
    [200, undefined, []],
    [404, "TASK_NOT_FOUND", ["refused TASK_NOT_FOUND"]],
    [503, "STORE_UNAVAILABLE", ["failed STORE_UNAVAILABLE"]],
    [503, undefined, ["failed UNHEALTHY"]],
  ])("that is answered %s %s ends so in its span, by the route's template", async (status, code, ends) => {
    if (route === undefined) throw new Error("no such route");
    const { telemetry, told } = recorder();
    const reply = { status, code, text: "{}", headers: {} } as RawReply;
    expect(await observedRequest(telemetry, route, undefined, async () => reply)).toBe(reply);
    const request = { "http.request.method": "GET", "http.route": "/api/tasks/{taskId}" };
    expect(told.ends).toEqual(ends);
    expect(told.start).toMatchObject({ name: route.key, kind: "server", attributes: request, parent: "none" });
    const answered = { ...request, "http.response.status_code": status, "error.type": code };
    expect(told.measured).toEqual([["http.server.request.duration", answered]]);
  });
});
