import { defineRoute } from "../lib/http/route.ts";
import { rotateKeysSchema, rotationSchema } from "../lib/security/rotation.ts";
import { ADMIN_ONLY } from "./shapes.ts";

export const rotateKeys = defineRoute({
  key: "POST /keys/rotate",
  name: "rotateKeys",
  summary: "Encrypts again, under the newest version of the key, what is under another one; for a few seconds a call",
  allow: ADMIN_ONLY,
  params: undefined,
  query: undefined,
  body: rotateKeysSchema,
  reply: rotationSchema,
  statuses: [200],
  async handler(services, { body }) {
    return { status: 200, body: await services.keyRotation.rotate(body) };
  },
});
