import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { Log } from "../lib/trace/log.ts";
import { refuseAmbiguous } from "./ambiguous-http.ts";
import { refuseConnect } from "./broken-http.ts";
import type { Connections } from "./connections.ts";
import type { SilentConnections } from "./silent-connections.ts";
import type { TlsFiles } from "./tls.ts";

/** node's own server, and what a stranger can make it hold. */

/** A request, headers and body, must have arrived after this: slow or dead callers hold nothing for longer. */
const REQUEST_TIMEOUT_MILLISECONDS = 30_000;
/** A connection on which nothing moves for this long is closed; longer than the longest poll. */
const CONNECTION_TIMEOUT_MILLISECONDS = 60_000;
const KEEP_ALIVE_TIMEOUT_MILLISECONDS = 72_000;
/** How often connections are looked at for those limits. */
const CHECK_MILLISECONDS = 5_000;
/** Request line and headers together: node's own default, stated because it is a limit on strangers. */
const MAX_HEADER_BYTES = 16_384;
/** Open connections, those that wait in long polls among them. More are closed as they come. */
const MAX_CONNECTIONS = 10_000;
/** Of one address, where no proxy stands between: a tenth, so that no caller takes them all. */
export const MAX_CONNECTIONS_PER_ADDRESS = 1_000;

/** A server of HTTP, or of HTTPS where there is TLS. It does not listen yet. */
export function createNodeServer(
  listener: RequestListener,
  tls: TlsFiles | undefined,
  silent: SilentConnections,
  connections: Connections,
  log: Log,
): Server {
  const serve = connections.inTurn(refuseAmbiguous(listener));
  const limits = {
    connectionsCheckingInterval: CHECK_MILLISECONDS,
    requestTimeout: REQUEST_TIMEOUT_MILLISECONDS,
    headersTimeout: REQUEST_TIMEOUT_MILLISECONDS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MILLISECONDS,
    maxHeaderSize: MAX_HEADER_BYTES,
    // Node's own answer comes without a problem document, and past what bounds the requests that are sent ahead.
    requireHostHeader: false,
  };
  let server: Server;
  if (tls === undefined) {
    server = createServer(limits, serve);
  } else {
    const secure = createSecureServer({ ...limits, ...tls.options }, serve);
    tls.renewFor(secure, log);
    server = secure;
  }
  server.timeout = CONNECTION_TIMEOUT_MILLISECONDS;
  server.maxConnections = MAX_CONNECTIONS;
  connections.watch(server);
  // An expectation that is not 100-continue means nothing to us, and needs no answer of its own (RFC 9110, section 10.1.1): node's own
  // 417 would come past what bounds the requests that are sent ahead.
  server.on("checkExpectation", serve);
  refuseConnect(server, connections);
  silent.watch(server);
  return server;
}
