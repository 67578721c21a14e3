import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A real HTTP server that answers as a switchboard would in a situation that is hard to bring about on a real one. */

export interface Asked {
  method: string;
  path: string;
  // The body as it was parsed; the tests know what they sent.
  body: Record<string, unknown>;
  headers: IncomingMessage["headers"];
}

export type Reply = (asked: Asked, response: ServerResponse) => unknown;

export interface Switchboard {
  origin: string;
  baseUrl: string;
  asked: Asked[];
  /** Those whose path ends so, in order. */
  to(ending: string): Asked[];
  /** Answers paths that end so in this way from now on; the newest that fits wins. */
  on(ending: string, reply: Reply): void;
  close(): Promise<void>;
}

export function send(
  response: ServerResponse,
  body: unknown,
  status = 200,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

export const refusal =
  (status: number, code: string, headers: Record<string, string> = {}): Reply =>
  (_asked, response) =>
    send(response, { status, code, detail: `says ${code}` }, status, headers);

/** Registers every agent, has no work, and accepts every report. */
export async function startSwitchboard(): Promise<Switchboard> {
  const asked: Asked[] = [];
  const replies: { ending: string; reply: Reply }[] = [
    { ending: "", reply: (_asked, response) => send(response, { status: "completed", cancelRequested: false }) },
    { ending: "/agents", reply: (_asked, response) => send(response, { agent: {} }, 201) },
    { ending: "/heartbeat", reply: (_asked, response) => send(response, beat([])) },
    { ending: "/receive", reply: (_asked, response) => setTimeout(() => send(response, { messages: [] }), 50) },
  ];
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += String(chunk);
    const path = request.url ?? "";
    const entry: Asked = {
      method: request.method ?? "",
      path,
      body: JSON.parse(text || "{}"),
      headers: request.headers,
    };
    asked.push(entry);
    replies.findLast(({ ending }) => path.endsWith(ending))?.reply(entry, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    baseUrl: `${origin}/api`,
    asked,
    to: (ending) => asked.filter(({ path }) => path.endsWith(ending)),
    on: (ending, reply) => void replies.push({ ending, reply }),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The reply to a heartbeat. */
export function beat(tasks: { taskId: string; attempt: number; cancelRequested?: boolean }[]) {
  return {
    status: "active",
    heartbeatIntervalSeconds: 0.1,
    pendingMessages: 0,
    tasks: tasks.map((task) => ({ cancelRequested: false, ...task })),
  };
}

/** Hands out the messages with the first receive, and nothing after that. */
export function handOut(switchboard: Switchboard, ...messages: Record<string, unknown>[]): void {
  let given = false;
  switchboard.on("/receive", (_asked, response) => {
    if (given) return setTimeout(() => send(response, { messages: [] }), 50);
    given = true;
    return send(response, { messages });
  });
}

export function assignment(taskId: string, attempt = 1) {
  return {
    messageId: `m-${taskId}`,
    sender: "system",
    senderRole: "system",
    senderCredential: "system",
    type: "task_assignment",
    attempt: 1,
    payload: {
      taskId,
      attempt,
      taskType: "work",
      description: "",
      parameters: null,
      deadline: "2030-01-01T00:00:00.000Z",
    },
  };
}
