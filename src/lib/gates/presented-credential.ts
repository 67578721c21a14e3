import type { ClientCertificateSettings } from "../config/security-settings.ts";
import { AgentCommunicationError } from "../model/errors.ts";
import type { Approach } from "./gate.ts";

/** What a caller shows of itself, before any of it is believed. A request shows one credential. */

export type PresentedCredential =
  | { kind: "token" | "enrolment" | "entra"; text: string }
  | { kind: "certificate"; der: Uint8Array }
  /** Something was shown that is no credential of any kind. */
  | { kind: "unreadable" };

/** RFC 6750, section 2.1, with the one space of RFC 9110. Values are bounded by what a host takes of headers. */
const BEARER = /^Bearer ([A-Za-z0-9._~+/-]+=*)$/i;
const JWT = /^[\w-]+\.[\w-]+\.[\w-]*$/;

/** In which Azure's front end forwards the certificate of the handshake with it: base64 of its DER form. */
const FORWARDED = "x-arr-clientcert";
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

function invalid(detail: string): AgentCommunicationError {
  return new AgentCommunicationError("INVALID_REQUEST", detail);
}

function bearer(authorization: string | undefined): PresentedCredential | undefined {
  if (authorization === undefined) return undefined;
  if (authorization.includes(",")) throw invalid("Authorization: must be present once, with one credential.");
  const text = BEARER.exec(authorization)?.[1];
  if (text === undefined) return { kind: "unreadable" };
  if (text.startsWith("agt_")) return { kind: "token", text };
  if (text.startsWith("enr_")) return { kind: "enrolment", text };
  return JWT.test(text) ? { kind: "entra", text } : { kind: "unreadable" };
}

/**
 * Where no platform is trusted to forward certificates, whoever sends this header wants to be taken for somebody.
 *
 * @throws INVALID_REQUEST when it is there without being asked for, or more than once
 */
export function refuseForwardedCertificate({ header }: Approach, from: "tls" | "platform" | undefined): void {
  const value = header(FORWARDED);
  if (value === undefined) return;
  if (from !== "platform") throw invalid("X-ARR-ClientCert: is not accepted here; leave the header out.");
  if (value.includes(",")) throw invalid("X-ARR-ClientCert: must be present once.");
}

function certificate(approach: Approach, from: ClientCertificateSettings["from"]): PresentedCredential | undefined {
  if (from === "tls") {
    const shown = approach.clientCertificate();
    if (shown === undefined) return undefined;
    return shown.trusted ? { kind: "certificate", der: shown.der } : { kind: "unreadable" };
  }
  const value = approach.header(FORWARDED);
  // An empty header is how a front end says that there was none.
  if (value === undefined || value === "") return undefined;
  if (!BASE64.test(value)) return { kind: "unreadable" };
  return { kind: "certificate", der: Buffer.from(value, "base64") };
}

/**
 * The one credential of a request; undefined when there is none.
 *
 * @param from whether client certificates are believed, and whence they come
 * @throws INVALID_REQUEST when there are two
 */
export function presentedCredential(
  approach: Approach,
  from: ClientCertificateSettings["from"] | undefined,
): PresentedCredential | undefined {
  const byToken = bearer(approach.header("authorization"));
  const byCertificate = from === undefined ? undefined : certificate(approach, from);
  if (byToken !== undefined && byCertificate !== undefined) {
    throw invalid("The request presents two credentials, a token and a client certificate; present one of them.");
  }
  return byToken ?? byCertificate;
}
