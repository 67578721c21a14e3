import { type FastifyReply, type FastifyRequest, fastify } from "fastify";
import { completeMessageSchema, receiveMessagesSchema, sendMessageSchema } from "../src/lib/model/message.ts";
import { parse } from "../src/lib/model/parse.ts";

/** The yardstick of the host: the same server, the same bodies parsed and validated, nothing done. Prints its port. */

const app = fastify({ logger: false });
const answers = [
  ["/api/messages", sendMessageSchema, 202, { messageId: "00000000-0000-7000-8000-000000000000", duplicate: false }],
  ["/api/agents/:agentId/messages/receive", receiveMessagesSchema, 200, { messages: [] }],
  ["/api/messages/:messageId/complete", completeMessageSchema, 200, { messageId: "m", status: "completed" }],
] as const;
for (const [path, schema, status, body] of answers) {
  app.post(path, async (request: FastifyRequest, reply: FastifyReply) => {
    parse(schema, request.body);
    return reply.code(status).send(body);
  });
}
await app.listen({ host: "127.0.0.1", port: 0 });
const address = app.server.address();
console.log(typeof address === "object" && address !== null ? address.port : 0);
