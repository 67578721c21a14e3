import "reflect-metadata";
import { createHash } from "node:crypto";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
  X509CrlGenerator,
} from "@peculiar/x509";

/** Only from here: the package needs what is imported first. */
export { Extension };

/** Certificate authorities of a test's own: real certificates and revocation lists, made when the test runs. */

/** How an authority signs: what WebCrypto needs to make its keys, and to sign. */
export type Signing =
  | { name: "ECDSA"; namedCurve: "P-256" | "P-384" | "P-521"; hash: string }
  | { name: "RSASSA-PKCS1-v1_5"; modulusLength: number; publicExponent: Uint8Array<ArrayBuffer>; hash: string }
  | { name: "Ed25519" };

const SIGNING = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const satisfies Signing;
const DAY_MILLISECONDS = 86_400_000;

/** A certificate and its key, in PEM. */
export interface KeyPair {
  certificate: string;
  key: string;
}

/** A certificate that an authority has issued. */
export interface Issued extends KeyPair {
  /** In base64 of the DER form, as a proxy forwards it. */
  der: string;
  /** SHA-256 of the DER form, in lower-case hexadecimal. */
  thumbprint: string;
  serialNumber: string;
}

/** What a certificate is to say. */
export interface CertificateRequest {
  /** `CN=worker-1`, or any distinguished name. */
  subject: string;
  /** What it is for; absent: anything. */
  purpose?: "client" | "server" | "either";
  /** Names of a server: `localhost`, `127.0.0.1`. */
  altNames?: readonly string[];
  notBefore?: Date;
  notAfter?: Date;
  extensions?: readonly Extension[];
  /** Absent: for signatures. */
  usage?: "keyEncipherment" | "keyAgreement";
}

const PURPOSES = {
  client: [ExtendedKeyUsage.clientAuth],
  server: [ExtendedKeyUsage.serverAuth],
  either: [ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth],
} as const;

function altNamesExtension(names: readonly string[]): SubjectAlternativeNameExtension {
  const isAddress = (name: string) => /^[\d.]+$|:/.test(name);
  return new SubjectAlternativeNameExtension(
    names.map((value) => ({ type: isAddress(value) ? ("ip" as const) : ("dns" as const), value })),
  );
}

async function pemOfKey(key: CryptoKey): Promise<string> {
  const base64 = Buffer.from(await crypto.subtle.exportKey("pkcs8", key)).toString("base64");
  return `-----BEGIN PRIVATE KEY-----\n${base64.replaceAll(/.{1,64}/g, "$&\n")}-----END PRIVATE KEY-----\n`;
}

async function newKeys(signing: Signing = SIGNING): Promise<CryptoKeyPair> {
  const made = await crypto.subtle.generateKey(signing, true, ["sign", "verify"]);
  if (!("privateKey" in made)) throw new Error("one key, where there must be two");
  return made;
}

function randomSerial(): string {
  // The first bit is 0: the number is positive.
  return Buffer.from(crypto.getRandomValues(new Uint8Array(15)))
    .toString("hex")
    .padStart(32, "01");
}

function validity({ notBefore, notAfter }: { notBefore?: Date; notAfter?: Date }) {
  return {
    notBefore: notBefore ?? new Date(Date.now() - DAY_MILLISECONDS),
    notAfter: notAfter ?? new Date(Date.now() + 30 * DAY_MILLISECONDS),
  };
}

/** Issues certificates and says which of them are revoked. */
export class TestAuthority {
  readonly #keys: CryptoKeyPair;
  readonly #own: X509Certificate;
  readonly #signing: Signing;

  private constructor(keys: CryptoKeyPair, own: X509Certificate, signing: Signing = SIGNING) {
    this.#keys = keys;
    this.#own = own;
    this.#signing = signing;
  }

  /** A root: its certificate is signed by itself. */
  static async create(subject = "CN=Test authority", signing: Signing = SIGNING): Promise<TestAuthority> {
    const keys = await newKeys(signing);
    const own = await X509CertificateGenerator.createSelfSigned({
      name: subject,
      serialNumber: randomSerial(),
      ...validity({}),
      signingAlgorithm: signing,
      keys,
      extensions: authorityExtensions(),
    });
    return new TestAuthority(keys, own, signing);
  }

  /** The authority's certificate, in PEM: what those who trust it are given. */
  get certificate(): string {
    return `${this.#own.toString("pem")}\n`;
  }

  /** An authority below this one. @param pathLength how many authorities may stand below it in turn */
  async subordinate(subject: string, options: { pathLength?: number; isAuthority?: boolean } = {}) {
    const keys = await newKeys();
    const own = await this.#sign(keys, { subject }, authorityExtensions(options));
    return new TestAuthority(keys, own);
  }

  /** Issues a certificate with a new key. */
  async issue(request: CertificateRequest): Promise<Issued> {
    const keys = await newKeys();
    const extensions: Extension[] = [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags[request.usage ?? "digitalSignature"], true),
      ...(request.purpose === undefined ? [] : [new ExtendedKeyUsageExtension([...PURPOSES[request.purpose]])]),
      ...(request.altNames === undefined ? [] : [altNamesExtension(request.altNames)]),
      ...(request.extensions ?? []),
    ];
    const certificate = await this.#sign(keys, request, extensions);
    const der = Buffer.from(certificate.rawData);
    return {
      certificate: `${certificate.toString("pem")}\n`,
      key: await pemOfKey(keys.privateKey),
      der: der.toString("base64"),
      thumbprint: createHash("sha256").update(der).digest("hex"),
      serialNumber: certificate.serialNumber,
    };
  }

  /** A certificate for a server on this machine, and a key. */
  server(): Promise<Issued> {
    return this.issue({ subject: "CN=localhost", purpose: "server", altNames: ["localhost", "127.0.0.1"] });
  }

  /** The list of the revoked, in PEM. */
  async revocationList(
    revoked: readonly Pick<Issued, "serialNumber">[],
    options: { thisUpdate?: Date; nextUpdate?: Date; extensions?: Extension[]; ofEntries?: Extension[] } = {},
  ): Promise<string> {
    const { notBefore, notAfter } = validity({});
    const list = await X509CrlGenerator.create({
      issuer: this.#own.subject,
      thisUpdate: options.thisUpdate ?? notBefore,
      nextUpdate: options.nextUpdate ?? notAfter,
      entries: revoked.map(({ serialNumber }) => ({
        serialNumber,
        revocationDate: notBefore,
        extensions: options.ofEntries ?? [],
      })),
      extensions: options.extensions ?? [],
      signingAlgorithm: this.#signing,
      signingKey: this.#keys.privateKey,
    });
    return `${list.toString("pem")}\n`;
  }

  #sign(keys: CryptoKeyPair, request: CertificateRequest, extensions: Extension[]) {
    return X509CertificateGenerator.create({
      subject: request.subject,
      issuer: this.#own.subject,
      serialNumber: randomSerial(),
      ...validity(request),
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: this.#signing,
      extensions,
    });
  }
}

function authorityExtensions(options: { pathLength?: number; isAuthority?: boolean } = {}): Extension[] {
  return [
    new BasicConstraintsExtension(options.isAuthority ?? true, options.pathLength, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
  ];
}
