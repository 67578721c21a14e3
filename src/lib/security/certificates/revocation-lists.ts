import { verify, type X509Certificate } from "node:crypto";
import { AsnConvert } from "@peculiar/asn1-schema";
import { CertificateList } from "@peculiar/asn1-x509";
import { derText, SIGNATURES, serialText, understands } from "./certificate-reading.ts";

/** Certificate revocation lists (RFC 5280, section 5), which node:crypto knows nothing of. */

const BLOCK = /-----BEGIN (?:X509 )?CRL-----([A-Za-z0-9+/=\s]+?)-----END (?:X509 )?CRL-----/g;

/** The file is the operator's own, and a list has five nodes for each of its entries: room for 200,000 of them. */
const LIMITS = { berOptions: { maxNodes: 1_000_000 } };

/** None: a list for part of the certificates, one of changes, or one of other issuers is not the whole list. */
const KNOWN_EXTENSIONS: ReadonlySet<string> = new Set();

/** The list of one authority. */
interface RevocationList {
  issuer: string;
  /** Milliseconds. */
  thisUpdate: number;
  nextUpdate: number;
  /** Serial numbers. */
  revoked: ReadonlySet<string>;
  isSignedBy(issuer: X509Certificate): boolean;
}

function readList(base64: string): RevocationList {
  const { tbsCertList, tbsCertListRaw, signature, signatureAlgorithm } = AsnConvert.parse(
    Buffer.from(base64, "base64"),
    CertificateList,
    LIMITS,
  );
  const digest = SIGNATURES.get(signatureAlgorithm.algorithm);
  const { issuer, thisUpdate, nextUpdate, revokedCertificates = [], crlExtensions } = tbsCertList;
  if (tbsCertListRaw === undefined || digest === undefined)
    throw new Error("a revocation list does not have a valid signature algorithm");
  if (nextUpdate === undefined) throw new Error("a revocation list has no time of its next update");
  const whole = understands(crlExtensions, KNOWN_EXTENSIONS);
  if (!whole || revokedCertificates.some((entry) => !understands(entry.crlEntryExtensions, KNOWN_EXTENSIONS))) {
    throw new Error("a revocation list is not the complete list of its issuer");
  }
  return {
    issuer: derText(issuer),
    thisUpdate: thisUpdate.getTime().getTime(),
    nextUpdate: nextUpdate.getTime().getTime(),
    revoked: new Set(revokedCertificates.map(({ userCertificate }) => serialText(userCertificate))),
    isSignedBy: ({ publicKey }) => verify(digest, Buffer.from(tbsCertListRaw), publicKey, Buffer.from(signature)),
  };
}

/** The lists of a PEM file. */
export class RevocationLists {
  readonly #lists: readonly RevocationList[];
  /** Checked once: authorities are few, and their lists can be long. */
  readonly #signed = new Map<RevocationList, X509Certificate>();

  /** @throws Error when it holds no list, or one that cannot be used */
  constructor(pem: string) {
    this.#lists = Array.from(pem.matchAll(BLOCK), ([, base64 = ""]) => readList(base64));
    if (this.#lists.length === 0) throw new Error("it contains no revocation list in PEM");
  }

  /**
   * Whether `issuer` says, at this time, that a certificate of its own is not revoked. Without a list of it that is in force
   * nothing is known, so the answer is no.
   */
  vouchFor(serialNumber: string, issuerName: string, issuer: X509Certificate, now: number): boolean {
    const lists = this.#lists.filter((list) => list.issuer === issuerName && this.#isSignedBy(list, issuer));
    const inForce = lists.some(({ thisUpdate, nextUpdate }) => thisUpdate <= now && now < nextUpdate);
    return inForce && !lists.some(({ revoked }) => revoked.has(serialNumber));
  }

  #isSignedBy(list: RevocationList, issuer: X509Certificate): boolean {
    if (this.#signed.get(list)?.fingerprint256 === issuer.fingerprint256) return true;
    if (!list.isSignedBy(issuer)) return false;
    this.#signed.set(list, issuer);
    return true;
  }
}
