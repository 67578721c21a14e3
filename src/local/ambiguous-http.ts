import type { IncomingMessage, RequestListener } from "node:http";
import { problemReply } from "../lib/http/problem.ts";
import { AgentCommunicationError } from "../lib/model/errors.ts";

/**
 * Requests that two readers may take for different ones. Node's parser refuses most (two lengths, a length beside chunks, folded
 * lines); these it lets through. A proxy before us that looks at one Host must not hand on what we serve for another.
 */

/** Why a request is ambiguous; undefined for any other. */
function ambiguity(request: IncomingMessage): string | undefined {
  const { headers, url = "" } = request;
  if (headers.host === undefined) {
    // Requests older than HTTP/1.1 need none.
    return request.httpVersion === "1.1" ? "The request has no Host header." : undefined;
  }
  // RFC 9112, section 3.2: node keeps the first and says nothing of the others.
  if (hostLines(request.rawHeaders) > 1) return "Host: must be present once.";
  // RFC 9112, section 3.2.2: the host of an absolute target comes before the header, so it must be the same.
  if (!url.startsWith("/") && isOfAnotherHost(url, headers.host)) {
    return "Host: must be the host of the request's target.";
  }
  // RFC 9112, section 6.1: what is coded otherwise would be read as if it were not.
  const coding = headers["transfer-encoding"];
  return coding === undefined || coding.toLowerCase() === "chunked" ? undefined : "Transfer-Encoding: must be chunked.";
}

function hostLines(rawHeaders: readonly string[]): number {
  let lines = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? "";
    if (name.length === 4 && name.toLowerCase() === "host") lines += 1;
  }
  return lines;
}

/** @param target of a request, not a path: `http://host/path`, or `*`, which names no host */
function isOfAnotherHost(target: string, host: string): boolean {
  const authority = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(target)?.[1];
  return authority !== undefined && authority.toLowerCase() !== host.toLowerCase();
}

/** Refuses such requests with 400, and closes their connections; hands all others on. */
export function refuseAmbiguous(listener: RequestListener): RequestListener {
  return (request, response) => {
    const detail = ambiguity(request);
    if (detail === undefined) {
      listener(request, response);
      return;
    }
    const { status, headers, text } = problemReply(new AgentCommunicationError("INVALID_REQUEST", detail));
    const length = Buffer.byteLength(text);
    response.writeHead(status, { ...headers, "content-length": length, connection: "close" }).end(text);
  };
}
