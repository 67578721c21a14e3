import { AsnConvert } from "@peculiar/asn1-schema";
import { BasicConstraints, Certificate, type Extension, KeyUsage, KeyUsageFlags } from "@peculiar/asn1-x509";
import { distinguishedName } from "./distinguished-name.ts";

/** What node:crypto does not tell of a certificate, read from its DER form (RFC 5280). */

const BASIC_CONSTRAINTS = "2.5.29.19";
const KEY_USAGE = "2.5.29.15";

/**
 * Extensions that may be marked critical: those that we, or node:crypto, look at. RFC 5280, section 4.2: a certificate with
 * any other is not to be used.
 */
const KNOWN_EXTENSIONS: ReadonlySet<string> = new Set([
  BASIC_CONSTRAINTS,
  KEY_USAGE,
  "2.5.29.17", // names of the subject; nothing is decided by them
  "2.5.29.32", // certificate policies, of which none is asked for
  "2.5.29.37", // extended key usage
]);

/** Signatures that are still believed: with SHA-2, or of Ed25519 and Ed448. */
export const SIGNATURES: ReadonlyMap<string, "sha256" | "sha384" | "sha512" | null> = new Map([
  ["1.2.840.113549.1.1.11", "sha256"],
  ["1.2.840.113549.1.1.12", "sha384"],
  ["1.2.840.113549.1.1.13", "sha512"],
  ["1.2.840.10045.4.3.2", "sha256"],
  ["1.2.840.10045.4.3.3", "sha384"],
  ["1.2.840.10045.4.3.4", "sha512"],
  ["1.3.101.112", null],
  ["1.3.101.113", null],
]);

/** What is read of a certificate. */
export interface CertificateFacts {
  /** RFC 4514. */
  subject: string;
  /** The issuer's name in DER, in hexadecimal, as revocation lists are found by it. */
  issuer: string;
  /** Lower-case hexadecimal without leading zeros. */
  serialNumber: string;
  /** How many authorities may stand between this one and the end; Infinity: any number. */
  pathLength: number;
  /** False when its key usage says that it is not for proving who one is. */
  maySign: boolean;
}

/** A number as revocation lists and certificates may write it, with and without leading zeros. */
export function serialText(number: ArrayBuffer): string {
  return Buffer.from(number).toString("hex").replace(/^0+/, "");
}

/** A DER structure in hexadecimal. */
export function derText(structure: object): string {
  return Buffer.from(AsnConvert.serialize(structure)).toString("hex");
}

/** Whether every extension that must be understood is. */
export function understands(extensions: readonly Extension[] = [], known = KNOWN_EXTENSIONS): boolean {
  return extensions.every(({ critical, extnID }) => !critical || known.has(extnID));
}

function extensionValue<Value>(extensions: readonly Extension[], id: string, type: new () => Value): Value | undefined {
  const extension = extensions.find(({ extnID }) => extnID === id);
  return extension && AsnConvert.parse(extension.extnValue, type);
}

/**
 * Reads a certificate.
 *
 * @throws Error when it cannot be read, is signed in a way that is not believed, or has a critical extension that is not known
 */
export function readCertificate(der: Uint8Array): CertificateFacts {
  const { tbsCertificate, signatureAlgorithm } = AsnConvert.parse(der, Certificate);
  const extensions = tbsCertificate.extensions ?? [];
  if (!SIGNATURES.has(signatureAlgorithm.algorithm)) throw new Error("signed with an algorithm that is not accepted");
  if (!understands(extensions)) throw new Error("with a critical extension that is not known");
  const usage = extensionValue(extensions, KEY_USAGE, KeyUsage)?.toNumber();
  return {
    subject: distinguishedName(tbsCertificate.subject),
    issuer: derText(tbsCertificate.issuer),
    serialNumber: serialText(tbsCertificate.serialNumber),
    pathLength:
      extensionValue(extensions, BASIC_CONSTRAINTS, BasicConstraints)?.pathLenConstraint ?? Number.POSITIVE_INFINITY,
    maySign: usage === undefined || (usage & (KeyUsageFlags.digitalSignature | KeyUsageFlags.keyAgreement)) !== 0,
  };
}
