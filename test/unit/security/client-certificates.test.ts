import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { OffsetClock } from "../../../src/lib/model/clock.ts";
import { ClientCertificateVerifier } from "../../../src/lib/security/certificates/client-certificates.ts";
import {
  type CertificateRequest,
  Extension,
  type Issued,
  type Signing,
  TestAuthority,
} from "../../support/certificates.ts";

const HOUR = 3_600_000;
const CLIENT: CertificateRequest = { subject: "O=Example, CN=worker-1", purpose: "client" };

const folder = mkdtempSync(join(tmpdir(), "agent-communication-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
function write(text: string): string {
  files += 1;
  const path = join(folder, `${files}.pem`);
  writeFileSync(path, text);
  return path;
}

/** In one step, as a tool that renews files does. */
function replace(path: string, text: string): void {
  renameSync(write(text), path);
}

interface Under {
  clock: OffsetClock;
  verifier: ClientCertificateVerifier;
  failures: string[];
}

function verifierOf(authorityFile: string, revocationFile?: string): Under {
  const clock = new OffsetClock();
  const failures: string[] = [];
  const settings = { from: "platform" as const, authorityFile, revocationFile };
  const verifier = new ClientCertificateVerifier(settings, clock, (setting) => failures.push(setting));
  return { clock, verifier, failures };
}

const namesOf = ({ verifier }: Under, { der }: Issued) => verifier.verify(Buffer.from(der, "base64"));

let authority: TestAuthority;
beforeAll(async () => {
  authority = await TestAuthority.create("CN=Root,O=Example");
});

describe("a client certificate", () => {
  it("of the configured authority is known by thumbprint and subject", async () => {
    const under = verifierOf(write(authority.certificate));
    const issued = await authority.issue(CLIENT);
    expect(namesOf(under, issued)).toEqual({ thumbprint: issued.thumbprint, subject: "CN=worker-1,O=Example" });
    expect(namesOf(under, await authority.issue({ ...CLIENT, purpose: "either" }))).toBeDefined();
  });

  it("of another authority is not believed, also when that has the same name", async () => {
    const under = verifierOf(write(authority.certificate));
    const other = await TestAuthority.create("CN=Root,O=Example");
    expect(namesOf(under, await other.issue(CLIENT))).toBeUndefined();
  });

  it("is not believed before and after its time, by the clock", async () => {
    const under = verifierOf(write(authority.certificate));
    const [notBefore, notAfter] = [new Date(Date.now() + HOUR), new Date(Date.now() + 2 * HOUR)];
    const issued = await authority.issue({ ...CLIENT, notBefore, notAfter });
    expect(namesOf(under, issued)).toBeUndefined();
    under.clock.advance(1.5 * HOUR);
    expect(namesOf(under, issued)).toBeDefined();
    under.clock.advance(HOUR);
    expect(namesOf(under, issued)).toBeUndefined();
  });

  it("is not believed when its root's time is over, whatever its own", async () => {
    const under = verifierOf(write(authority.certificate));
    const issued = await authority.issue({ ...CLIENT, notAfter: new Date(Date.now() + 60 * 24 * HOUR) });
    under.clock.advance(29 * 24 * HOUR);
    expect(namesOf(under, issued)).toBeDefined();
    under.clock.advance(2 * 24 * HOUR);
    expect(namesOf(under, issued)).toBeUndefined();
  });

  it("for servers only is not believed, nor one that signs nothing, nor an authority's own", async () => {
    const under = verifierOf(write(authority.certificate));
    expect(namesOf(under, await authority.issue({ ...CLIENT, purpose: "server" }))).toBeUndefined();
    const der = Buffer.from(authority.certificate.replaceAll(/-----[A-Z ]+-----/g, ""), "base64").toString("base64");
    expect(under.verifier.verify(Buffer.from(der, "base64"))).toBeUndefined();
  });

  it("whose key is for other things than proving who one is is not believed", async () => {
    const under = verifierOf(write(authority.certificate));
    expect(namesOf(under, await authority.issue({ ...CLIENT, usage: "keyAgreement" }))).toBeDefined();
    expect(namesOf(under, await authority.issue({ ...CLIENT, usage: "keyEncipherment" }))).toBeUndefined();
  });

  it("with a critical extension that we do not know is not believed", async () => {
    const under = verifierOf(write(authority.certificate));
    const extension = (critical: boolean) => new Extension("1.3.6.1.4.1.99999.1", critical, new Uint8Array([5, 0]));
    expect(namesOf(under, await authority.issue({ ...CLIENT, extensions: [extension(false)] }))).toBeDefined();
    expect(namesOf(under, await authority.issue({ ...CLIENT, extensions: [extension(true)] }))).toBeUndefined();
  });

  it("that was changed, cut or made up is not believed", async () => {
    const under = verifierOf(write(authority.certificate));
    const der = Buffer.from((await authority.issue(CLIENT)).der, "base64");
    for (let at = 0; at < der.length; at += 7) {
      const changed = Buffer.from(der);
      changed[at] = (changed[at] ?? 0) ^ 0x15;
      expect(under.verifier.verify(changed)).toBeUndefined();
    }
    for (const length of [0, 1, 100, der.length - 1]) {
      expect(under.verifier.verify(der.subarray(0, length))).toBeUndefined();
    }
    expect(under.verifier.verify(Buffer.from("nonsense"))).toBeUndefined();
  });

  it("has one thumbprint, whatever stands behind it", async () => {
    const under = verifierOf(write(authority.certificate));
    const issued = await authority.issue(CLIENT);
    const padded = Buffer.concat([Buffer.from(issued.der, "base64"), Buffer.from("trailing")]);
    expect(under.verifier.verify(padded)?.thumbprint).toBe(issued.thumbprint);
  });
});

describe("authorities between", () => {
  it("are followed to the root when they are in the file, as far as the root allows", async () => {
    const middle = await authority.subordinate("CN=Middle,O=Example", { pathLength: 0 });
    const low = await middle.subordinate("CN=Low,O=Example");
    const [of1, of2] = [await middle.issue(CLIENT), await low.issue(CLIENT)];
    const all = verifierOf(write(authority.certificate + middle.certificate + low.certificate));
    expect(namesOf(all, of1)).toBeDefined();
    // Middle may issue to no further authority.
    expect(namesOf(all, of2)).toBeUndefined();
    expect(namesOf(verifierOf(write(authority.certificate)), of1)).toBeUndefined();
  });

  it("must be authorities: a client's certificate issues nothing", async () => {
    const fake = await authority.subordinate("CN=Fake,O=Example", { isAuthority: false });
    expect(() => verifierOf(write(authority.certificate + fake.certificate))).toThrow(
      /^AGENT_CLIENT_CA_FILE: .*CN=Fake.* is not a certificate authority/,
    );
    expect(namesOf(verifierOf(write(authority.certificate)), await fake.issue(CLIENT))).toBeUndefined();
  });

  it("are four at most", async () => {
    const all = [authority];
    for (let n = 1; n <= 5; n += 1) {
      const above = all.at(-1);
      if (above !== undefined) all.push(await above.subordinate(`CN=Middle ${n}`));
    }
    const under = verifierOf(write(all.map(({ certificate }) => certificate).join("")));
    const believed: boolean[] = [];
    for (const issuer of all) believed.push(namesOf(under, await issuer.issue(CLIENT)) !== undefined);
    expect(believed).toEqual([true, true, true, true, true, false]);
  });

  it("need a root at the end", async () => {
    const middle = await authority.subordinate("CN=Middle,O=Example");
    expect(() => verifierOf(write(middle.certificate))).toThrow(
      /AGENT_CLIENT_CA_FILE: it contains no root certificate/,
    );
  });
});

describe("a revocation list", () => {
  it("takes back what it names, and vouches for the rest while it is in force", async () => {
    const [good, bad] = [await authority.issue(CLIENT), await authority.issue(CLIENT)];
    const nextUpdate = new Date(Date.now() + HOUR);
    const list = write(await authority.revocationList([bad], { nextUpdate }));
    const under = verifierOf(write(authority.certificate), list);
    expect(namesOf(under, good)).toBeDefined();
    expect(namesOf(under, bad)).toBeUndefined();
    under.clock.advance(2 * HOUR);
    expect(namesOf(under, good)).toBeUndefined();
  });

  it("must be there for every authority on the way, and signed by it", async () => {
    const middle = await authority.subordinate("CN=Middle,O=Example");
    const issued = await middle.issue(CLIENT);
    const authorities = write(authority.certificate + middle.certificate);
    const [ofRoot, ofMiddle] = [await authority.revocationList([]), await middle.revocationList([])];
    expect(namesOf(verifierOf(authorities, write(ofRoot + ofMiddle)), issued)).toBeDefined();
    expect(namesOf(verifierOf(authorities, write(ofRoot)), issued)).toBeUndefined();
    expect(namesOf(verifierOf(authorities, write(ofMiddle)), issued)).toBeUndefined();
    const forged = await (await TestAuthority.create("CN=Middle,O=Example")).revocationList([]);
    expect(namesOf(verifierOf(authorities, write(ofRoot + forged)), issued)).toBeUndefined();
  });

  it("is read again when it has changed, within 5 s, also for a certificate that was just good", async () => {
    const issued = await authority.issue(CLIENT);
    const list = write(await authority.revocationList([]));
    const under = verifierOf(write(authority.certificate), list);
    expect(namesOf(under, issued)).toBeDefined();
    replace(list, await authority.revocationList([issued]));
    under.clock.advance(5_001);
    expect(namesOf(under, issued)).toBeUndefined();
    replace(list, await authority.revocationList([]));
    under.clock.advance(5_001);
    expect(namesOf(under, issued)).toBeDefined();
  });

  it("that became unreadable is reported, and the last good one stays in force until it ends", async () => {
    const [good, bad] = [await authority.issue(CLIENT), await authority.issue(CLIENT)];
    const list = write(await authority.revocationList([bad], { nextUpdate: new Date(Date.now() + HOUR) }));
    const under = verifierOf(write(authority.certificate), list);
    for (const broken of ["", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"]) {
      replace(list, broken);
      under.clock.advance(5_001);
      expect([namesOf(under, good) === undefined, namesOf(under, bad) === undefined]).toEqual([false, true]);
    }
    rmSync(list);
    under.clock.advance(5_001);
    expect(namesOf(under, good)).toBeDefined();
    expect(new Set(under.failures)).toEqual(new Set(["AGENT_CLIENT_CRL_FILE"]));
    under.clock.advance(HOUR);
    expect(namesOf(under, good)).toBeUndefined();
  });

  it("is in force from its time on, and not before", async () => {
    const issued = await authority.issue(CLIENT);
    const thisUpdate = new Date(Date.now() + HOUR);
    const under = verifierOf(write(authority.certificate), write(await authority.revocationList([], { thisUpdate })));
    expect(namesOf(under, issued)).toBeUndefined();
    under.clock.advance(HOUR + 2_000);
    expect(namesOf(under, issued)).toBeDefined();
  });

  it("that says what is not understood, of itself or of an entry, is not the whole list: it stops the start", async () => {
    const bad = await authority.issue(CLIENT);
    const extension = (critical: boolean) => new Extension("1.3.6.1.4.1.99999.2", critical, new Uint8Array([5, 0]));
    const authorities = write(authority.certificate);
    for (const name of ["extensions", "ofEntries"]) {
      const list = (critical: boolean) => authority.revocationList([bad], { [name]: [extension(critical)] });
      const under = verifierOf(authorities, write(await list(false)));
      expect(namesOf(under, bad)).toBeUndefined();
      expect(namesOf(under, await authority.issue(CLIENT))).toBeDefined();
      const partial = write(await list(true));
      expect(() => verifierOf(authorities, partial)).toThrow(
        "AGENT_CLIENT_CRL_FILE: a revocation list is not the complete list of its issuer",
      );
    }
  });

  it("that is none stops the start", async () => {
    const authorities = write(authority.certificate);
    for (const text of ["", authority.certificate, "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"]) {
      expect(() => verifierOf(authorities, write(text))).toThrow(/^AGENT_CLIENT_CRL_FILE: /);
    }
    expect(() => verifierOf(join(folder, "nothing.pem"))).toThrow(/^AGENT_CLIENT_CA_FILE: .*ENOENT/);
  });
});

describe("a signature", () => {
  const rsa = (hash: string): Signing => ({
    name: "RSASSA-PKCS1-v1_5",
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
    hash,
  });

  it.each<[string, Signing, boolean]>([
    ["ECDSA with SHA-256", { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" }, true],
    ["ECDSA with SHA-384", { name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" }, true],
    ["ECDSA with SHA-512", { name: "ECDSA", namedCurve: "P-521", hash: "SHA-512" }, true],
    ["RSA with SHA-256", rsa("SHA-256"), true],
    ["RSA with SHA-384", rsa("SHA-384"), true],
    ["RSA with SHA-512", rsa("SHA-512"), true],
    ["Ed25519", { name: "Ed25519" }, true],
    ["RSA with SHA-1", rsa("SHA-1"), false],
    ["ECDSA with SHA-1", { name: "ECDSA", namedCurve: "P-256", hash: "SHA-1" }, false],
  ])("by %s: the certificate and the list are believed: %s, %s", async (_, signing, believed) => {
    const signer = await TestAuthority.create("CN=Root", signing);
    const [good, bad] = [await signer.issue(CLIENT), await signer.issue(CLIENT)];
    const list = await signer.revocationList([bad]);
    if (!believed) {
      // The root, which signs itself so, stops the start; a list of another's would, too.
      expect(() => verifierOf(write(signer.certificate))).toThrow(/^AGENT_CLIENT_CA_FILE: /);
      expect(() => verifierOf(write(authority.certificate), write(list))).toThrow(/^AGENT_CLIENT_CRL_FILE: /);
      return;
    }
    const under = verifierOf(write(signer.certificate), write(list));
    expect([namesOf(under, good) === undefined, namesOf(under, bad) === undefined]).toEqual([false, true]);
  });
});

describe("a long revocation list", () => {
  it("of 5,000 certificates is read, and its last entry counts", async () => {
    const bad = await authority.issue(CLIENT);
    const others = Array.from({ length: 5_000 }, (_, n) => ({
      serialNumber: (n + 0x1000).toString(16).padStart(8, "0"),
    }));
    const under = verifierOf(write(authority.certificate), write(await authority.revocationList([...others, bad])));
    expect(namesOf(under, bad)).toBeUndefined();
    expect(namesOf(under, await authority.issue(CLIENT))).toBeDefined();
  });
});

describe("a subject", () => {
  it.each([
    ["C=DE, O=Example, CN=worker-1", "CN=worker-1,O=Example,C=DE"],
    ["C=DE, ST=Bayern, L=Ort, O=a, OU=b, DC=c, CN=d", "CN=d,DC=c,OU=b,O=a,L=Ort,ST=Bayern,C=DE"],
    ["2.5.4.9=Weg 1, 0.9.2342.19200300.100.1.1=u", "UID=u,STREET=Weg 1"],
    ["2.5.4.12=Title, CN=a", "CN=a,2.5.4.12=Title"],
    ['CN=\\#a\\;b\\<c\\>d\\\\e\\"f', 'CN=\\#a\\;b\\<c\\>d\\\\e\\"f'],
    ["CN=a\\,O\\=b", "CN=a\\,O=b"],
    ["CN=Jörg", "CN=Jörg"],
    ["CN=\\ a \\+ b\\ ", "CN=\\ a \\+ b\\ "],
    ["CN=a+OU=b, O=x", "O=x,CN=a+OU=b"],
  ])("of %s reads as RFC 4514 has it", async (subject, expected) => {
    const under = verifierOf(write(authority.certificate));
    expect(namesOf(under, await authority.issue({ ...CLIENT, subject }))?.subject).toBe(expected);
  });
});
