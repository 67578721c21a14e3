import { AgentCommunicationError } from "../../model/errors.ts";

/** Long polls of one credential at a time: behind a proxy a fleet is one address, so connections cannot be counted by that. */
export const POLLS_PER_CREDENTIAL = 200;

/** Counts the long polls that each credential has under way in this process. */
export class Polls {
  readonly #max: number;
  readonly #waiting = new Map<string, number>();

  constructor(max = POLLS_PER_CREDENTIAL) {
    this.#max = max;
  }

  /**
   * Begins a poll.
   *
   * @param credentialId absent in authentication mode `none`, where polls are not counted
   * @returns ends it
   * @throws RATE_LIMITED when the credential has as many as it may
   */
  enter(credentialId: string | undefined): () => void {
    if (credentialId === undefined) return () => undefined;
    const waiting = this.#waiting.get(credentialId) ?? 0;
    if (waiting >= this.#max) {
      const detail = `This credential already has ${this.#max} long polls open; end one, or ask without waitSeconds.`;
      throw new AgentCommunicationError("RATE_LIMITED", detail, { retryAfterSeconds: 1 });
    }
    this.#waiting.set(credentialId, waiting + 1);
    return () => {
      const left = (this.#waiting.get(credentialId) ?? 1) - 1;
      if (left > 0) this.#waiting.set(credentialId, left);
      else this.#waiting.delete(credentialId);
    };
  }
}
