import type { IncomingMessage } from "node:http";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { BodyMemory } from "./body-memory.ts";
import { ArrivedBody, readBody } from "./body-reader.ts";

/**
 * Reads the bodies of all requests by our own reader, whatever their types say, into one memory.
 *
 * @param ownerOf whose share of the memory a body takes
 */
export function readBodies(app: FastifyInstance, ownerOf: (request: FastifyRequest) => string | undefined): void {
  const memory = new BodyMemory();
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (request, payload: IncomingMessage, done) => {
    readBody(payload, request.routeOptions.bodyLimit, memory.roomFor(ownerOf(request)), done);
  });
  // However it was answered, also where no route has read it; and where its caller has gone before that, of which Fastify's onResponse
  // is not told.
  app.addHook("preValidation", (request, reply, done) => {
    const { body } = request;
    if (body instanceof ArrivedBody) {
      if (reply.raw.destroyed) body.release();
      else reply.raw.once("close", () => body.release());
    }
    done();
  });
}
