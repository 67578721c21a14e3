import { stopwatch } from "../model/clock.ts";
import type { Telemetry } from "../trace/telemetry.ts";
import type { RawReply } from "./problem.ts";
import type { Route } from "./route.ts";

/** A request as telemetry sees it: by the route's template, never by the path. */

/** Runs `answer` in a span that goes on with the caller's trace, or begins one. */
export function observedRequest(
  telemetry: Telemetry,
  route: Pick<Route, "method" | "path" | "idle"> & { key: string },
  traceparent: string | undefined,
  answer: () => Promise<RawReply>,
): Promise<RawReply> {
  const request = { "http.request.method": route.method, "http.route": route.path };
  const span = { name: route.key, kind: "server", attributes: request, idle: route.idle } as const;
  return telemetry.span({ ...span, parent: traceparent ?? "none" }, async (serving) => {
    const elapsed = stopwatch();
    const reply = await answer();
    const answered = { "http.response.status_code": reply.status, "error.type": reply.code };
    serving.set(answered);
    if (reply.status >= 500) serving.fail(reply.code ?? "UNHEALTHY");
    else if (reply.code !== undefined) serving.refuse(reply.code);
    telemetry.measure("http.server.request.duration", elapsed() / 1_000, { ...request, ...answered });
    return reply;
  });
}
