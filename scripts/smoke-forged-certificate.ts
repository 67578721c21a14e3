import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

/**
 * node scripts/smoke-forged-certificate.ts --url https://<app>/api --agent blue-1 --certificate blue-1.pem
 *
 * For a deployment that believes client certificates which its platform forwards. A certificate is public: whoever has seen it
 * can copy it, but has not its key. So this sends a real agent's certificate in the header in which the platform would forward
 * it, without a client certificate in the handshake. A front end that takes the header of callers away answers 401 (or 400 from
 * us, where the setting is off); an answer in the agent's name means that anybody can be that agent: the exit code is then 1,
 * and AGENT_CLIENT_CERTIFICATES=platform must not be used there.
 */

const { values } = parseArgs({
  options: { url: { type: "string" }, agent: { type: "string" }, certificate: { type: "string" } },
});
const { url, agent, certificate } = values;
if (url === undefined || agent === undefined || certificate === undefined) {
  console.error("give --url https://<app>/api, --agent <id> and --certificate <its certificate, in PEM>");
  process.exit(2);
}

const der = new X509Certificate(readFileSync(certificate)).raw.toString("base64");
const path = `${url.replace(/\/+$/, "")}/agents/${encodeURIComponent(agent)}`;
/** The platform's header, in the ways in which a caller could hope to get it past the front end. */
const attempts: [string, Record<string, string>][] = [
  ["as it is", { "x-arr-clientcert": der }],
  ["in capitals", { "X-ARR-ClientCert": der }],
  ["with a list", { "x-arr-clientcert": `${der}, ${der}` }],
  ["as a proxy's", { "x-arr-clientcert": der, "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "https" }],
];

let believed = false;
for (const [how, headers] of attempts) {
  const { status } = await fetch(path, { headers, redirect: "error" });
  // 403 and 404 would be answers to somebody.
  const refused = status === 400 || status === 401;
  believed ||= !refused;
  console.log(`forged header ${how}: ${status} ${refused ? "refused" : "NOT REFUSED"}`);
}
if (believed) console.error("a certificate that the caller has no key of is believed here");
process.exitCode = believed ? 1 : 0;
