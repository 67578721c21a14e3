import { defineRoute } from "../lib/http/route.ts";
import { ADMIN_ONLY } from "./allowed-callers.ts";

export const rotateKeys = defineRoute({
  key: "POST /keys/rotate",
  name: "rotateKeys",
  summary: "Encrypts stored values again under the newest key version",
  description:
    "Works for a few seconds. Call again with `nextCursor` until it is null. Each call with `newVersion` creates a version, which only makes more values outdated.",
  example: {
    body: { newVersion: true },
    reply: { keyVersion: "2", reencrypted: 500, undecryptable: 0, left: 300, nextCursor: "eyJ0IjoibWVzc2FnZXMifQ" },
  },
  idle: false,
  allow: ADMIN_ONLY,
  statuses: [200],
  async handler(services, { body }) {
    return { status: 200, body: await services.keyRotation.rotate(body) };
  },
});
