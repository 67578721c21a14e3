import { readTokenFile, writeTokenFile } from "./token-file.ts";

/** The token that a client shows, which may be replaced while it runs: by a renewal here, or in the file by another process. */

export type TokenOption = string | (() => string | Promise<string>) | undefined;

const ENROLMENT_PREFIX = "enr_";
const TOKEN_PREFIX = "agt_";

export class ClientToken {
  readonly #option: TokenOption;
  readonly #file: string | undefined;
  readonly #newId: () => string;
  #current: string | undefined;
  #loading: Promise<void> | undefined;

  /** @param newId for the names of temporary files */
  constructor(option: TokenOption, file: string | undefined, newId: () => string) {
    this.#option = option;
    // An environment variable that is set to nothing.
    this.#file = file === "" ? undefined : file;
    this.#newId = newId;
  }

  /** Where it is kept; undefined: in memory alone. */
  get file(): string | undefined {
    return this.#file;
  }

  /** What to show. What the file has comes before the option. @throws Error when the file cannot be read */
  async bearer(): Promise<string | undefined> {
    if (typeof this.#option === "function") return this.#option();
    this.#loading ??= this.#load();
    try {
      await this.#loading;
    } catch (error) {
      this.#loading = undefined;
      throw error;
    }
    return this.#current;
  }

  async #load(): Promise<void> {
    const kept = this.#file === undefined ? undefined : await readTokenFile(this.#file);
    this.#current ??= kept ?? (typeof this.#option === "string" ? this.#option : undefined);
  }

  /** Whether what is shown now is an enrolment key: then the agent has no token yet. */
  async isEnrolmentKey(): Promise<boolean> {
    return typeof this.#option !== "function" && (await this.bearer())?.startsWith(ENROLMENT_PREFIX) === true;
  }

  /** Whether what is shown now is a token that can be renewed. */
  async isRenewable(): Promise<boolean> {
    return typeof this.#option !== "function" && (await this.bearer())?.startsWith(TOKEN_PREFIX) === true;
  }

  /**
   * Shows another one from now on. It is in the file before it is shown the first time, because its first use ends the old one.
   *
   * @throws Error when the file cannot be written; then the old one is shown as before
   */
  async adopt(token: string): Promise<void> {
    if (this.#file !== undefined) await writeTokenFile(this.#file, token, this.#newId());
    this.#current = token;
  }

  /**
   * Looks for another token than the one that was refused: the file's, where another process has renewed it, or else the option's,
   * where a new one was configured.
   *
   * @param refused what was shown
   * @returns whether there is another one to show
   */
  async replaceRefused(refused: string | undefined): Promise<boolean> {
    if (typeof this.#option === "function") return false;
    // Replaced while the call was under way, such as a long poll.
    if (this.#current !== refused) return true;
    if (this.#file === undefined) return false;
    const others = [await readTokenFile(this.#file), this.#option];
    const other = others.find((token) => token?.startsWith(TOKEN_PREFIX) && token !== refused);
    if (other === undefined) return false;
    this.#current = other;
    return true;
  }

  /** Takes over what another process has put into the file. @returns whether it is another token */
  async reload(): Promise<boolean> {
    if (this.#file === undefined || typeof this.#option === "function") return false;
    const kept = await readTokenFile(this.#file);
    if (kept === undefined || !kept.startsWith(TOKEN_PREFIX) || kept === this.#current) return false;
    this.#current = kept;
    return true;
  }
}
