import type { AgentRole } from "../../model/agent.ts";
import type { ChannelPolicyName, ChannelRight } from "../../model/channel.ts";
import type { Clock } from "../../model/clock.ts";
import { AgentCommunicationError, isAgentCommunicationError } from "../../model/errors.ts";
import type { ChannelAccess, ChannelReader, Store } from "../../store/store.ts";
import { currentCall } from "../../trace/call-context.ts";
import { RecentAnswers } from "./recent-answers.ts";

/** What is done with each right, for refusals. */
const DEEDS: Readonly<Record<ChannelRight, string>> = {
  post: "post to it",
  read: "read it",
  manage: "manage it",
};

/**
 * Who may do what with a channel, and who may write to whom. It decides for whoever makes the current call: an admin may do
 * everything, an observer look at everything, others what membership and grants say. Where nobody proves who calls, the caller
 * is believed and channels allow everything; they must be there all the same. What the store said is used for up to 5 s;
 * changes that this process makes count at once.
 */
export class ChannelPolicy {
  /** Whether `requireCommonChannel` may refuse anything: asked on every send, so it is no call. */
  readonly restricted: boolean;
  readonly #store: Store;
  readonly #accesses: RecentAnswers<ChannelAccess | undefined>;
  readonly #shared: RecentAnswers<boolean>;
  readonly #roles: RecentAnswers<AgentRole | undefined>;

  constructor(options: { store: Store; clock: Clock; policy: ChannelPolicyName }) {
    this.restricted = options.policy === "restricted";
    this.#store = options.store;
    this.#accesses = new RecentAnswers(options.clock);
    this.#shared = new RecentAnswers(options.clock);
    this.#roles = new RecentAnswers(options.clock);
  }

  /** Forgets what the store said, after a change of a channel. */
  forget(): void {
    this.#accesses.forget();
    this.#shared.forget();
  }

  /** A registration or deregistration of this process counts at once. */
  agentChanged(agentId: string): void {
    // Of channels the store tells by the role that the caller has, so nothing else depends on it.
    this.#roles.forget(agentId);
  }

  /** Whose view a list of channels is: undefined for those who see them all. */
  get reader(): ChannelReader | undefined {
    const { actor, role, credential } = currentCall();
    const seesAll = credential === "none" || role === "admin" || role === "observer";
    return seesAll ? undefined : { agentId: actor, role };
  }

  /**
   * Checks that the current call may do this with a channel.
   *
   * @throws CHANNEL_FORBIDDEN, also for a channel that is not there, unless the caller may see all: then CHANNEL_NOT_FOUND
   */
  async require(name: string, right: ChannelRight): Promise<ChannelAccess> {
    const { actor, role, credential } = currentCall();
    const access = await this.#access(name, { agentId: actor, role });
    const allowed =
      credential === "none" ||
      role === "admin" ||
      (role === "observer" && right === "read") ||
      access?.[right] === true;
    if (access !== undefined && allowed) return access;
    if (access === undefined && this.reader === undefined) {
      throw new AgentCommunicationError("CHANNEL_NOT_FOUND", `There is no channel ${name}.`);
    }
    const detail = `The channel ${name} does not exist, or the caller may not ${DEEDS[right]}.`;
    throw new AgentCommunicationError("CHANNEL_FORBIDDEN", detail);
  }

  #access(name: string, reader: ChannelReader): Promise<ChannelAccess | undefined> {
    // No name of a channel or an agent has a blank in it.
    const key = `${name} ${reader.agentId} ${reader.role ?? ""}`;
    return this.#accesses.get(key, () => this.#store.findChannelAccess(name, reader));
  }

  /**
   * Under the policy `restricted`: the sender and the receiver, both agents, are members of one channel. Admins write to
   * anybody, and everybody to itself. Whether the receiver exists is not told.
   *
   * @throws CHANNEL_FORBIDDEN
   */
  async requireCommonChannel(sender: string, receiver: string): Promise<void> {
    if (!this.restricted || sender === receiver || (await this.#roleOf(sender)) === "admin") return;
    const [first, second] = sender < receiver ? [sender, receiver] : [receiver, sender];
    const share = () => this.#store.shareChannel(first, second);
    if (await this.#shared.get(`${first} ${second}`, share)) return;
    const detail = `${sender} may only write to agents that share a channel with it, and ${receiver} shares none.`;
    throw new AgentCommunicationError("CHANNEL_FORBIDDEN", detail);
  }

  /** As it was proved; where nobody proves anything, as it is registered. */
  #roleOf(sender: string): Promise<AgentRole | undefined> | AgentRole | undefined {
    const { role, credential } = currentCall();
    if (credential !== "none") return role;
    return this.#roles.get(sender, async () => {
      try {
        return (await this.#store.getAgent(sender)).role;
      } catch (error) {
        if (isAgentCommunicationError(error, "AGENT_NOT_FOUND")) return undefined;
        throw error;
      }
    });
  }

  /**
   * Acts on what the store said of channels, and once more on fresh answers when a channel turns out to be gone, or of another
   * kind: it was deleted, and perhaps made anew, less than 5 s ago.
   */
  async withFreshAnswers<Result>(act: () => Promise<Result>): Promise<Result> {
    try {
      return await act();
    } catch (error) {
      if (!isAgentCommunicationError(error, "CHANNEL_NOT_FOUND")) throw error;
      this.forget();
      return await act();
    }
  }
}
