import type { Server, ServerOptions } from "node:https";
import { createSecureContext } from "node:tls";
import { WatchedFile } from "../lib/base/watched-file.ts";
import type { SecuritySettings } from "../lib/config/security-settings.ts";
import type { Clock } from "../lib/model/clock.ts";
import { errorFields, type Log } from "../lib/trace/log.ts";

/** TLS of the local host. */

/** A handshake must be done after this: whoever dawdles holds nothing for longer. */
const HANDSHAKE_TIMEOUT_MILLISECONDS = 10_000;

/** The files, each read again when it has changed, so that a renewed certificate needs no restart. */
export class TlsFiles {
  readonly #files: { cert: WatchedFile<string>; key: WatchedFile<string>; ca: WatchedFile<string> | undefined };

  /** @throws Error naming the setting of a file that cannot be read or used */
  constructor(tls: NonNullable<SecuritySettings["tls"]>, security: SecuritySettings, clock: Clock, log: Log) {
    const watch = (setting: string, path: string) => {
      const failed = (error: unknown) =>
        log.error("a file could not be read again", { setting, ...errorFields(error) });
      try {
        return new WatchedFile(path, { clock, parse: (text) => text, failed });
      } catch (error) {
        throw new Error(`${setting}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
      }
    };
    const { clientCertificates } = security;
    this.#files = {
      cert: watch("AGENT_TLS_CERTIFICATE_FILE", tls.certificateFile),
      key: watch("AGENT_TLS_KEY_FILE", tls.keyFile),
      // Only the authorities of clients: of whom we ask a certificate, and what the handshake checks it by.
      ca:
        clientCertificates?.from === "tls"
          ? watch("AGENT_CLIENT_CA_FILE", clientCertificates.authorityFile)
          : undefined,
    };
    try {
      createSecureContext(this.#current());
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`AGENT_TLS_CERTIFICATE_FILE, AGENT_TLS_KEY_FILE: ${reason}`, { cause: error });
    }
  }

  get options(): ServerOptions {
    return {
      ...this.#current(),
      minVersion: "TLSv1.2",
      handshakeTimeout: HANDSHAKE_TIMEOUT_MILLISECONDS,
      // Asked for, not demanded: tokens are as good. What a certificate is worth the gate decides.
      requestCert: this.#files.ca !== undefined,
      rejectUnauthorized: false,
    };
  }

  /** Looks at the files when somebody connects, at most every few seconds. */
  renewFor(server: Server, log: Log): void {
    let used = this.#version();
    server.on("connection", () => {
      const version = this.#version();
      if (version === used) return;
      used = version;
      try {
        server.setSecureContext(this.#current());
      } catch (error) {
        // Of a pair that is replaced one after the other, the first does not fit the second yet.
        log.error("the renewed certificate could not be used", errorFields(error));
      }
    });
  }

  #version(): string {
    const { cert, key, ca } = this.#files;
    return `${cert.version()} ${key.version()} ${ca?.version()}`;
  }

  #current() {
    const { cert, key, ca } = this.#files;
    return { cert: cert.current(), key: key.current(), ...(ca !== undefined && { ca: ca.current() }) };
  }
}
