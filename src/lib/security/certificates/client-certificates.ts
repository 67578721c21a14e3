import { X509Certificate } from "node:crypto";
import { BoundedMap } from "../../base/bounded-map.ts";
import { WatchedFile } from "../../base/watched-file.ts";
import type { ClientCertificateSettings } from "../../config/security-settings.ts";
import type { Clock } from "../../model/clock.ts";
import { type CertificateFacts, readCertificate } from "./certificate-reading.ts";
import { RevocationLists } from "./revocation-lists.ts";

/**
 * Whether a client certificate may be believed: issued, through however few authorities, by a root of the configured file;
 * in its time; for clients; not revoked. Used for those that a platform forwards, and for those of our own handshakes, whose
 * connections may live longer than a certificate and the list that revokes it.
 */

const CLIENT_AUTHENTICATION = "1.3.6.1.5.5.7.3.2";
const BLOCK = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+?-----END CERTIFICATE-----/g;
/** Authorities between a certificate and a root. */
const MAX_INTERMEDIATES = 4;
/** For so long a certificate that was found good is not looked at again. */
const GOOD_MILLISECONDS = 5_000;
const GOOD_MAX = 1_000;

/** By which a certificate is bound to an agent. */
export interface CertificateNames {
  /** SHA-256 of the DER form, in lower-case hexadecimal. */
  thumbprint: string;
  /** RFC 4514. */
  subject: string;
}

interface Known {
  certificate: X509Certificate;
  facts: CertificateFacts;
}

interface Good {
  names: CertificateNames;
  until: number;
  authorities: number;
  lists: number;
}

function thumbprintOf({ fingerprint256 }: X509Certificate): string {
  return fingerprint256.replaceAll(":", "").toLowerCase();
}

function known(text: string | Uint8Array): Known {
  const certificate = new X509Certificate(text);
  return { certificate, facts: readCertificate(certificate.raw) };
}

function readAuthorities(pem: string): readonly Known[] {
  const authorities = Array.from(pem.matchAll(BLOCK), ([block]) => known(block));
  if (!authorities.some(({ certificate }) => isRoot(certificate)))
    throw new Error("it contains no root certificate in PEM");
  const other = authorities.find(({ certificate }) => !certificate.ca);
  if (other !== undefined) throw new Error(`${other.facts.subject} is not a certificate authority`);
  return authorities;
}

function isRoot(certificate: X509Certificate): boolean {
  return certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey);
}

function isInTime({ validFromDate, validToDate }: X509Certificate, now: number): boolean {
  return validFromDate.getTime() <= now && now <= validToDate.getTime();
}

/** Absent means any purpose, also of an authority: RFC 5280, section 4.2.1.12. */
function isForClients({ keyUsage }: X509Certificate): boolean {
  // By this name node gives the extended key usage, which is undefined when the certificate has none.
  const purposes: readonly string[] | undefined = keyUsage;
  return purposes === undefined || purposes.includes(CLIENT_AUTHENTICATION);
}

export class ClientCertificateVerifier {
  readonly #clock: Clock;
  readonly #authorities: WatchedFile<readonly Known[]>;
  readonly #lists: WatchedFile<RevocationLists> | undefined;
  /** By thumbprint. Only of certificates that were good, so strangers fill nothing. */
  readonly #good = new BoundedMap<string, Good>(GOOD_MAX);

  /**
   * @param failed told when a file has changed to something that cannot be used
   * @throws Error when a file cannot be read, or is not what it has to be
   */
  constructor(settings: ClientCertificateSettings, clock: Clock, failed: (setting: string, error: unknown) => void) {
    this.#clock = clock;
    this.#authorities = watch("AGENT_CLIENT_CA_FILE", settings.authorityFile, readAuthorities);
    const { revocationFile } = settings;
    this.#lists =
      revocationFile === undefined
        ? undefined
        : watch("AGENT_CLIENT_CRL_FILE", revocationFile, (pem) => new RevocationLists(pem));

    function watch<Content>(setting: string, path: string, parse: (text: string) => Content): WatchedFile<Content> {
      try {
        return new WatchedFile(path, { clock, parse, failed: (error) => failed(setting, error) });
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new Error(`${setting}: ${reason}`, { cause: error });
      }
    }
  }

  /** The names of a certificate that may be believed now; undefined for any other. @param der in DER form */
  verify(der: Uint8Array): CertificateNames | undefined {
    let certificate: X509Certificate;
    try {
      certificate = new X509Certificate(der);
    } catch {
      return undefined;
    }
    const now = this.#clock.now();
    const thumbprint = thumbprintOf(certificate);
    const good = this.#good.get(thumbprint);
    if (good !== undefined && this.#isStillGood(good, now)) return good.names;
    this.#good.delete(thumbprint);
    const facts = this.#factsOfGood(certificate, now);
    if (facts === undefined) return undefined;
    const names = { thumbprint, subject: facts.subject };
    this.#remember(names, now);
    return names;
  }

  #isStillGood({ until, authorities, lists }: Good, now: number): boolean {
    const inTime = now < until && until - now <= GOOD_MILLISECONDS;
    return inTime && authorities === this.#authorities.version() && lists === (this.#lists?.version() ?? 0);
  }

  #remember(names: CertificateNames, now: number): void {
    this.#good.set(names.thumbprint, {
      names,
      until: now + GOOD_MILLISECONDS,
      authorities: this.#authorities.version(),
      lists: this.#lists?.version() ?? 0,
    });
  }

  #factsOfGood(certificate: X509Certificate, now: number): CertificateFacts | undefined {
    try {
      const facts = readCertificate(certificate.raw);
      return facts.maySign && this.#hasPath({ certificate, facts }, 0, now) ? facts : undefined;
    } catch {
      return undefined;
    }
  }

  /** Whether a way leads from here to a root. @param below authorities passed on the way here */
  #hasPath({ certificate, facts }: Known, below: number, now: number): boolean {
    if (!isInTime(certificate, now) || !isForClients(certificate)) return false;
    return this.#authorities.current().some((authority) => {
      const { certificate: issuer, facts: ofIssuer } = authority;
      const issued = certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
      if (!issued || below > ofIssuer.pathLength || below > MAX_INTERMEDIATES) return false;
      const lists = this.#lists?.current();
      if (lists !== undefined && !lists.vouchFor(facts.serialNumber, facts.issuer, issuer, now)) return false;
      if (isRoot(issuer)) return isInTime(issuer, now) && isForClients(issuer);
      return this.#hasPath(authority, below + 1, now);
    });
  }
}
