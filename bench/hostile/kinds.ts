import { once } from "node:events";
import { connect } from "node:net";
import { type Attack, type Attacker, IMPATIENCE_MILLISECONDS, pause, post, repeated } from "./attack.ts";
import { WORK_KINDS } from "./work-kinds.ts";

/** What hostile callers do, each until it is told to stop. All of it is what one caller can do with what it has. */

const MEBIBYTE = 1024 * 1024;

/** Opens connections, writes to each, and never reads. */
function unread(connections: number, write: (attacker: Attacker) => string): Attack {
  return async ({ host, port }, attacker, signal) => {
    const text = write(attacker);
    const open = new Set<ReturnType<typeof connect>>();
    while (!signal.aborted) {
      while (open.size < connections) {
        const socket = connect(port, host, () => socket.write(text));
        socket.pause();
        open.add(socket);
        socket.on("error", () => {});
        socket.on("close", () => open.delete(socket));
      }
      await pause(100);
    }
    for (const socket of open) socket.destroy();
  };
}

const message = (attacker: Attacker, payload: unknown, type = "query") => ({
  sender: attacker.agentId,
  receiver: attacker.agentId,
  type,
  payload,
});

const get = (path: string, token?: string) =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${token === undefined ? "" : `Authorization: Bearer ${token}\r\n`}\r\n`;

/** Every kind, by the name that the table prints. */
export const KINDS: Readonly<Record<string, Attack>> = {
  "4 MB of [": repeated(
    () => "/messages/batch",
    () => "[".repeat(4 * MEBIBYTE - 16),
  ),
  "400,000 unknown keys": repeated(
    () => "/messages/batch",
    () => `{${Array.from({ length: 340_000 }, (_, n) => `"k${n}":1`).join(",")}}`,
  ),
  "payloads dear to a pattern": repeated(
    () => "/messages",
    (attacker) => JSON.stringify(message(attacker, `x-y${"a".repeat(60)}!`, "dear.pattern")),
  ),
  "payloads dear to a schema": repeated(
    () => "/messages",
    (attacker) =>
      JSON.stringify(
        message(
          attacker,
          Array.from({ length: 2_000 }, (_, n) => ({ n })),
          "dear.items",
        ),
      ),
  ),
  "broadcasts to 999": repeated(
    () => "/messages",
    ({ agentId }) =>
      JSON.stringify({ sender: agentId, receiver: "#crowd", type: "notification", payload: "x".repeat(100) }),
  ),
  "batches of 3.75 MB": repeated(
    () => "/messages/batch",
    (attacker) =>
      JSON.stringify({ messages: Array.from({ length: 15 }, () => message(attacker, "x".repeat(250 * 1024))) }),
  ),
  "batches of 1,700,000 numbers": repeated(
    () => "/messages/batch",
    (attacker) =>
      JSON.stringify({ messages: Array.from({ length: 14 }, () => message(attacker, Array(120_000).fill(1))) }),
  ),
  "openapi.json, pipelined and unread": unread(50, () => get("/api/openapi.json").repeat(10)),
  "requests sent ahead behind a long poll": async ({ host, port }, { agentId, token }, signal) => {
    const body = JSON.stringify({ waitSeconds: 20, types: ["never"] });
    const poll = `POST /api/agents/${agentId}/messages/receive HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const ahead = get("/x").repeat(500);
    while (!signal.aborted) {
      const socket = connect(port, host, () => socket.write(poll));
      socket.on("error", () => {}).resume();
      const write = () => {
        while (!socket.destroyed && !signal.aborted && socket.write(ahead));
      };
      socket.on("drain", write);
      await pause(100);
      write();
      await Promise.race([once(socket, "close"), once(signal, "abort")]).catch(() => undefined);
      socket.destroy();
    }
  },
  "large peeks, unread": unread(20, ({ agentId, token }) =>
    get(`/api/agents/${agentId}/messages?limit=200`, token).repeat(10),
  ),
  "wrong tokens": repeated(
    () => "/messages",
    () => "{}",
  ),
  "silent connections": unread(500, () => "GET /api/health HTTP/1.1\r\nHost: loc"),
  "bodies that never end": unread(
    100,
    ({ token }) =>
      `POST /api/messages/batch HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: 4000000\r\n\r\n${"x".repeat(60_000)}`,
  ),
  "long polls": async (target, attacker, signal) => {
    const body = JSON.stringify({ waitSeconds: 20, types: ["never"] });
    const lane = async () => {
      while (!signal.aborted) {
        if ((await post(target, attacker, `/agents/${attacker.agentId}/messages/receive`, body)) !== 200) {
          await pause(IMPATIENCE_MILLISECONDS);
        }
      }
    };
    await Promise.all(Array.from({ length: 250 }, lane));
  },
  ...WORK_KINDS,
};
