import { z } from "zod";
import { writtenDecimal, writtenWhole } from "../model/written-number.ts";
import { type Environment, isLoopback, onAzure } from "./platform.ts";

/** Who is let in: the settings of authentication, of TLS on the local host, and of the limits on callers. */

const count = writtenDecimal((number) => number.min(0).max(1_000_000));
const filePath = z.string().min(1).optional();

/** Where Entra ID of the public cloud issues tokens. */
const PUBLIC_AUTHORITY = "https://login.microsoftonline.com";

export const securitySchema = z.object({
  AGENT_AUTH_MODE: z.enum(["required", "none"]).optional(),
  AGENT_ENTRA_TENANT: z.guid("must be the tenant's id, a GUID: not a name, common or organizations").optional(),
  AGENT_ENTRA_AUDIENCE: z.string().min(1).max(512).optional(),
  AGENT_ENTRA_AUTHORITY: z.url().default(PUBLIC_AUTHORITY),
  AGENT_TLS_CERTIFICATE_FILE: filePath,
  AGENT_TLS_KEY_FILE: filePath,
  AGENT_CLIENT_CERTIFICATES: z.enum(["off", "tls", "platform"]).default("off"),
  AGENT_CLIENT_CA_FILE: filePath,
  AGENT_CLIENT_CRL_FILE: filePath,
  AGENT_RATE_LIMIT_PER_CREDENTIAL: count.default(500),
  AGENT_RATE_LIMIT_PER_SOURCE: count.default(1_000),
  AGENT_BAD_CREDENTIALS_PER_SOURCE: count.default(30),
  AGENT_TRUSTED_PROXIES: writtenWhole(0, 10).optional(),
});

type Given = z.output<typeof securitySchema>;

/** Which Entra ID access tokens are believed. */
export interface EntraSettings {
  /** Without a path: `https://login.microsoftonline.com`. */
  authority: string;
  /** The tenant's id in lower case, as its tokens name it. */
  tenant: string;
  /** The client id of the application registration that stands for this service; v2 tokens name it as their audience. */
  audience: string;
}

/** What the local host shows its callers; PEM files. */
export interface TlsSettings {
  certificateFile: string;
  keyFile: string;
}

/** Which client certificates are believed. */
export interface ClientCertificateSettings {
  /** tls: those of our own handshakes · platform: those that Azure forwards in X-ARR-ClientCert. */
  from: "tls" | "platform";
  /** PEM file of every authority, the roots and those between. */
  authorityFile: string;
  /** PEM file of the revocation lists: one of each authority, or none at all. */
  revocationFile: string | undefined;
}

/** Requests that one caller may make of one process. 0: no limit. */
export interface CallerLimits {
  /** A second, on the average; twice as many at once. */
  perCredential: number;
  /** A second, on the average; twice as many at once. */
  perSource: number;
  /** A minute, and as many at once. */
  badCredentialsPerSource: number;
}

export interface SecuritySettings {
  authMode: "required" | "none";
  entra: EntraSettings | undefined;
  tls: TlsSettings | undefined;
  clientCertificates: ClientCertificateSettings | undefined;
  limits: CallerLimits;
  /** How many proxies before us have each added the address that called them to X-Forwarded-For. */
  trustedProxies: number;
}

/** Where the process runs, as far as it decides about security. */
interface Place {
  environment: Environment;
  underFunctions: boolean;
  host: string;
  mode: "sql" | "mock";
}

function isReachedFromHereOnly({ environment, underFunctions, host }: Place): boolean {
  // Under the Functions host the platform binds the address; core tools say that it is a development machine.
  if (underFunctions) return environment.AZURE_FUNCTIONS_ENVIRONMENT === "Development" && !onAzure(environment);
  return isLoopback(host) && !onAzure(environment);
}

function entraOf(given: Given, problems: string[]): EntraSettings | undefined {
  const { AGENT_ENTRA_TENANT: tenant, AGENT_ENTRA_AUDIENCE: audience } = given;
  const url = new URL(given.AGENT_ENTRA_AUTHORITY);
  const trusted = url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url.hostname));
  if (!trusted || url.href !== `${url.origin}/`) {
    problems.push("AGENT_ENTRA_AUTHORITY: must be https://host without a path (http for a loopback address only)");
  }
  if (tenant !== undefined && audience !== undefined) {
    return { authority: url.origin, tenant: tenant.toLowerCase(), audience };
  }
  if (tenant !== undefined || audience !== undefined) {
    problems.push("AGENT_ENTRA_TENANT, AGENT_ENTRA_AUDIENCE: give both or neither");
  }
  return undefined;
}

function tlsOf(given: Given, place: Place, problems: string[]): TlsSettings | undefined {
  const { AGENT_TLS_CERTIFICATE_FILE: certificateFile, AGENT_TLS_KEY_FILE: keyFile } = given;
  if (certificateFile === undefined && keyFile === undefined) return undefined;
  if (place.underFunctions)
    problems.push(
      "AGENT_TLS_CERTIFICATE_FILE: cannot be used under the Functions host, where the platform terminates TLS",
    );
  if (certificateFile !== undefined && keyFile !== undefined) return { certificateFile, keyFile };
  problems.push("AGENT_TLS_CERTIFICATE_FILE, AGENT_TLS_KEY_FILE: give both or neither");
  return undefined;
}

function certificatesOf(given: Given, place: Place, problems: string[]): ClientCertificateSettings | undefined {
  const { AGENT_CLIENT_CERTIFICATES: from, AGENT_CLIENT_CA_FILE: authorityFile } = given;
  if (from === "off") {
    if (authorityFile !== undefined || given.AGENT_CLIENT_CRL_FILE !== undefined) {
      problems.push("AGENT_CLIENT_CA_FILE, AGENT_CLIENT_CRL_FILE: need AGENT_CLIENT_CERTIFICATES=tls or platform");
    }
    return undefined;
  }
  if (from === "platform" && !place.underFunctions) {
    const reason = "with npm start, any client can send the header";
    problems.push(`AGENT_CLIENT_CERTIFICATES: platform is only for the Functions host: ${reason}`);
  }
  if (from === "tls" && (given.AGENT_TLS_CERTIFICATE_FILE === undefined || place.underFunctions)) {
    problems.push("AGENT_CLIENT_CERTIFICATES: tls needs AGENT_TLS_CERTIFICATE_FILE and npm start");
  }
  if (authorityFile === undefined) {
    problems.push("AGENT_CLIENT_CA_FILE: must be set: it names the authorities whose client certificates are accepted");
    return undefined;
  }
  return { from, authorityFile, revocationFile: given.AGENT_CLIENT_CRL_FILE };
}

/**
 * What the settings say about security.
 *
 * @param given the settings as `securitySchema` gives them
 * @param problems what contradicts itself is added here, a line each
 */
export function securityOf(given: Given, place: Place, problems: string[]): SecuritySettings {
  const local = isReachedFromHereOnly(place);
  const authMode = given.AGENT_AUTH_MODE ?? (local && place.mode === "mock" ? "none" : "required");
  if (authMode === "none" && !local) {
    problems.push("AGENT_AUTH_MODE: none is only allowed on a loopback address, never on Azure");
  }
  const settings: SecuritySettings = {
    authMode,
    entra: entraOf(given, problems),
    tls: tlsOf(given, place, problems),
    clientCertificates: certificatesOf(given, place, problems),
    limits: {
      perCredential: given.AGENT_RATE_LIMIT_PER_CREDENTIAL,
      perSource: given.AGENT_RATE_LIMIT_PER_SOURCE,
      badCredentialsPerSource: given.AGENT_BAD_CREDENTIALS_PER_SOURCE,
    },
    // Azure's front end is one; before npm start stands nobody unless told otherwise.
    trustedProxies: given.AGENT_TRUSTED_PROXIES ?? (place.underFunctions && onAzure(place.environment) ? 1 : 0),
  };
  if (authMode === "none" && (settings.entra !== undefined || settings.clientCertificates !== undefined)) {
    problems.push(
      "AGENT_AUTH_MODE: none asks for no credential; AGENT_ENTRA_ and AGENT_CLIENT_ settings need required",
    );
  }
  return settings;
}
