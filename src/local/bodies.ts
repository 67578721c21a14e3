import type { IncomingMessage } from "node:http";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { BodyMemory } from "./body-memory.ts";
import { ArrivedBody, readBody } from "./body-reader.ts";

/**
 * Reads the bodies of all requests, of any type, with our own reader into one memory.
 *
 * @param ownerOf whose share of the memory a body takes
 */
export function readBodies(app: FastifyInstance, ownerOf: (request: FastifyRequest) => string | undefined): void {
  const memory = new BodyMemory();
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (request, payload: IncomingMessage, done) => {
    readBody(payload, request.routeOptions.bodyLimit, memory.roomFor(ownerOf(request)), done);
  });
  // After every answer, also where no route has read the body; and when its caller has gone before, which does not reach Fastify's
  // onResponse.
  app.addHook("preValidation", (request, reply, done) => {
    const { body } = request;
    if (body instanceof ArrivedBody) {
      if (reply.raw.destroyed) body.release();
      else reply.raw.once("close", () => body.release());
    }
    done();
  });
}
