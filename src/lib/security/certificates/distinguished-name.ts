import type { AttributeTypeAndValue, AttributeValue, Name } from "@peculiar/asn1-x509";

/** A distinguished name as RFC 4514 writes it, so that it can be compared byte for byte. */

/** RFC 4514, section 3: the types that have a short name. */
const SHORT_NAMES: ReadonlyMap<string, string> = new Map([
  ["2.5.4.3", "CN"],
  ["2.5.4.7", "L"],
  ["2.5.4.8", "ST"],
  ["2.5.4.10", "O"],
  ["2.5.4.11", "OU"],
  ["2.5.4.6", "C"],
  ["2.5.4.9", "STREET"],
  ["0.9.2342.19200300.100.1.25", "DC"],
  ["0.9.2342.19200300.100.1.1", "UID"],
]);

/** Section 2.4: whatever could be taken for the end of a value or the beginning of another gets a backslash. */
function escaped(text: string): string {
  return text
    .replaceAll(/["+,;<>\\]/g, "\\$&")
    .replaceAll("\0", "\\00")
    .replace(/^[ #]/, "\\$&")
    .replace(/ $/, "\\ ");
}

/** The text of a value that is one; undefined for the kinds that nobody should use any more. */
function textOf({ utf8String, printableString, ia5String }: AttributeValue): string | undefined {
  return utf8String ?? printableString ?? ia5String;
}

function written({ type, value }: AttributeTypeAndValue): string {
  const text = textOf(value);
  // Such a name reads as nobody's: it cannot be bound to an agent, and cannot pass for one that is.
  if (text === undefined) throw new Error("a name of a kind that is not supported");
  return `${SHORT_NAMES.get(type) ?? type}=${escaped(text)}`;
}

/**
 * Writes a name. It begins with the most specific part, as RFC 4514 has it: the last one in the certificate.
 *
 * @throws Error when a value is in an encoding other than UTF8String, PrintableString or IA5String
 * @example
 * distinguishedName(certificate.tbsCertificate.subject); // "CN=worker-1,O=Example"
 */
export function distinguishedName(name: Name): string {
  return Array.from(name, (part) => Array.from(part, written).join("+"))
    .reverse()
    .join(",");
}
