import type { Agent, ListAgentsQuery, RegisterAgent } from "../model/agent.ts";
import type {
  AuditBlock,
  AuditBlockContents,
  AuditEntry,
  ListAuditBlocksQuery,
  ListAuditQuery,
  NewAuditEntry,
  UnsealedAudit,
} from "../model/audit.ts";
import type { Channel, ChannelDetails, ChannelKind, ChannelMember, PutChannelGrant } from "../model/channel.ts";
import type { Credential, ListCredentialsQuery } from "../model/credential.ts";
import type {
  DeadLetterFilter,
  MessageRelation,
  MessageTypeDefinition,
  SendMessageReply,
  SettleReply,
  WithdrawReply,
} from "../model/message.ts";
import type * as statistics from "../model/statistics.ts";
import type {
  ChannelAccess,
  ChannelReader,
  Claim,
  Claimed,
  CredentialLookup,
  DeadLetterSelection,
  FoundCredential,
  Heartbeat,
  HeartbeatAnswer,
  MailboxSelection,
  NewChannel,
  NewCredential,
  NewMessage,
  NewSettlement,
  Page,
  Paged,
  RegistrationAuthority,
  Renewal,
  SettleResult,
  TokenRenewal,
} from "./calls.ts";
import type { ScheduleStore } from "./schedule-store.ts";
import type {
  EncryptedKind,
  GiveBack,
  OutdatedPosition,
  OutdatedValue,
  Replacement,
  StoredMessage,
} from "./stored-values.ts";
import type { TaskStore } from "./task-store.ts";
import type { UsageStore } from "./usage-store.ts";

export type * from "./calls.ts";
export type * from "./stored-values.ts";

/** Which agents a list is of. */
export type ListAgents = Page &
  Pick<ListAgentsQuery, "role" | "capability" | "status"> & {
    /** Leaves out the deregistered. */
    registered?: boolean;
    /** Only this agent, and those that are members of a channel of which it is a member. */
    matesOf?: string | undefined;
  };

/**
 * The only seam between the rules and an engine. Every verb is one transition: it happens wholly, in one transaction
 * with all that follows from it, or not at all. Inputs are parsed already; refusals are AgentCommunicationError.
 * Every verb is safe to repeat. The store tells the time.
 */
export interface Store extends TaskStore, ScheduleStore, UsageStore {
  // agents ----------------------------------------------------------------------------------------------------------
  /**
   * Creates, or updates and reactivates. Hands waiting work to a worker that has room. Without an authority anything may be
   * registered. @returns whether it was new @throws as the authority has it: AGENT_NOT_FOUND, FORBIDDEN, ID_TAKEN,
   * IDEMPOTENCY_MISMATCH, UNAUTHENTICATED
   */
  registerAgent(agent: RegisterAgent, authority?: RegistrationAuthority): Promise<{ agent: Agent; created: boolean }>;
  /** @throws AGENT_NOT_FOUND */
  getAgent(agentId: string): Promise<Agent>;
  /** By id. `cursor` is the last agent id of the page before. */
  listAgents(query: ListAgents): Promise<Paged<Agent>>;
  /**
   * Releases its tasks without using a retry, up to FREE_RELEASES_PER_HOUR of each task. Repeating it changes nothing. An agent
   * with many tasks leaves in several transactions, and drains until the last. @throws AGENT_NOT_FOUND
   */
  deregisterAgent(agentId: string): Promise<Agent>;
  /** @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED */
  heartbeat(beat: Heartbeat): Promise<HeartbeatAnswer>;

  // messages --------------------------------------------------------------------------------------------------------
  /**
   * Accepts all or none, in order. The receiver `#name` is a work queue. @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED
   * (sender or receiver), CHANNEL_NOT_FOUND (no work queue has that name), MAILBOX_FULL, ID_TAKEN (id of another sender),
   * IDEMPOTENCY_MISMATCH
   */
  sendMessages(messages: readonly NewMessage[]): Promise<SendMessageReply[]>;
  /** @throws MESSAGE_NOT_FOUND */
  getMessage(messageId: string): Promise<StoredMessage>;
  /** What a message is to an agent; undefined where it is nothing to it, or does not exist. */
  relationToMessage(agentId: string, messageId: string): Promise<MessageRelation | undefined>;
  /**
   * Waiting messages of a mailbox (queued, due or not) in delivery order: by rank, then arrival. `#name`: of a channel.
   *
   * @throws AGENT_NOT_FOUND, CHANNEL_NOT_FOUND
   */
  peekMessages(agentId: string, page: Page): Promise<Paged<StoredMessage>>;
  /** Leases due messages by rank, then arrival. @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED, CHANNEL_NOT_FOUND */
  claimMessages(claim: Claim): Promise<Claimed>;
  /**
   * Which of these mailboxes (of agents, and `#name` of channels) are worth a claim now: something is due there or a lease
   * has ended; those that are unknown or deregistered as well, because a claim says so. Writes nothing, and is no heartbeat.
   */
  findDeliverable(agentIds: readonly string[]): Promise<string[]>;
  /** Settles one by one, in order; one's refusal does not touch the others. Who leased from a channel settles it. @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED */
  settleMessages(agentId: string, settlements: readonly NewSettlement[]): Promise<SettleResult[]>;
  /** Moves the end of a lease to now + `leaseMilliseconds`. @throws MESSAGE_NOT_FOUND, LEASE_LOST, AGENT_NOT_FOUND, AGENT_DEREGISTERED */
  renewLease(renewal: Renewal): Promise<SettleReply>;
  /**
   * Returns leased messages that their receiver has not seen, to be due after a delay: this attempt does not count against
   * `maxAttempts`. Those that the agent does not hold in that attempt (any more) are passed over.
   */
  giveBackMessages(giveBack: GiveBack): Promise<void>;
  /**
   * Takes back a message that is still queued: it reads as expired (WITHDRAWN), and its id stays taken. Of a post, all copies
   * that are still queued. A repeat is answered as the first. @throws MESSAGE_NOT_FOUND, LEASE_LOST (no longer queued), FORBIDDEN (the
   * switchboard's own)
   */
  withdrawMessage(messageId: string): Promise<WithdrawReply>;
  /**
   * Ends queued messages of a mailbox (`#name`: of a channel) that agents have sent, due or not, as expired (PURGED).
   * @returns how many @throws AGENT_NOT_FOUND, CHANNEL_NOT_FOUND
   */
  purgeMailbox(mailbox: string, selection: MailboxSelection): Promise<number>;
  /** Newest first by the time of dead-lettering. */
  listDeadLetters(query: Page & Omit<DeadLetterFilter, "before">): Promise<Paged<StoredMessage>>;
  /**
   * Queues dead letters again (new arrival number, `maxAttempts` more attempts), oldest first. Those of deregistered agents stay,
   * and those for which a mailbox has no room. @returns how many
   */
  redriveDeadLetters(selection: DeadLetterSelection): Promise<number>;
  /** Deletes dead letters, oldest first. @returns how many */
  purgeDeadLetters(selection: DeadLetterSelection): Promise<number>;
  /** Creates or replaces. @returns whether it was new */
  putMessageType(
    type: string,
    schema: MessageTypeDefinition["schema"],
  ): Promise<{ definition: MessageTypeDefinition; created: boolean }>;
  /** undefined when not registered. May be cached up to 5 s by a store that others write to. */
  findMessageType(type: string): Promise<MessageTypeDefinition | undefined>;
  /** By type name. */
  listMessageTypes(page: Page): Promise<Paged<MessageTypeDefinition>>;
  /** @returns whether it was registered */
  deleteMessageType(type: string): Promise<boolean>;

  // channels --------------------------------------------------------------------------------------------------------
  /**
   * Makes a channel with its members and grants; the creator gets every right. The same again by the same creator: the
   * channel as it is now. @throws ID_TAKEN (of another, or a deleted one whose mailbox is not empty yet), AGENT_NOT_FOUND,
   * AGENT_DEREGISTERED (a member, a grantee, or the creator where it must be registered)
   */
  createChannel(channel: NewChannel): Promise<{ channel: ChannelDetails; created: boolean }>;
  /** @throws CHANNEL_NOT_FOUND */
  getChannel(name: string): Promise<ChannelDetails>;
  /** By name. `reader`: only what it may read. */
  listChannels(
    query: Page & { kind?: ChannelKind | undefined; reader?: ChannelReader | undefined },
  ): Promise<Paged<Channel>>;
  /** With its members and grants; the sweep dead-letters what is left in its mailbox. @returns whether there was one */
  deleteChannel(name: string): Promise<boolean>;
  /** By id. @throws CHANNEL_NOT_FOUND */
  listChannelMembers(name: string, page: Page): Promise<Paged<ChannelMember>>;
  /**
   * One that is a member already stays as it is. @throws CHANNEL_NOT_FOUND, AGENT_NOT_FOUND, AGENT_DEREGISTERED,
   * INVALID_REQUEST (CHANNEL_MEMBERS_MAX are in it)
   */
  addChannelMember(name: string, agentId: string): Promise<ChannelMember>;
  /** What it has leased stays leased until the lease ends. One that is no member: nothing happens. @throws CHANNEL_NOT_FOUND */
  removeChannelMember(name: string, agentId: string): Promise<void>;
  /**
   * Puts the grant in the place of what the agent or role had; one without any right takes that away.
   * @throws CHANNEL_NOT_FOUND, AGENT_NOT_FOUND, AGENT_DEREGISTERED, INVALID_REQUEST (CHANNEL_GRANTS_MAX are there)
   */
  putChannelGrant(name: string, grant: PutChannelGrant): Promise<void>;
  /** What an agent may do with a channel by its membership, its grants and those of its role; undefined: no such channel. */
  findChannelAccess(name: string, reader: ChannelReader): Promise<ChannelAccess | undefined>;
  /** Whether two agents are members of one channel. */
  shareChannel(agentId: string, otherId: string): Promise<boolean>;
  /**
   * Copies the message to every member of the broadcast channel that is its receiver (`#name`), deregistered ones left out;
   * all or none. The post itself is kept as a completed message. @throws as sendMessages (CHANNEL_NOT_FOUND: no broadcast
   * channel has that name; MAILBOX_FULL: one member's is), PAYLOAD_TOO_LARGE (the copies together)
   */
  broadcastMessage(post: NewMessage): Promise<SendMessageReply>;

  // credentials -----------------------------------------------------------------------------------------------------
  /**
   * The credential of an id, of a principal or of a certificate; of bindings only the one in force. Revoked and expired ones
   * are returned: the caller decides, by `now`.
   */
  findCredential(lookup: CredentialLookup): Promise<FoundCredential | undefined>;
  /** @throws AGENT_NOT_FOUND, ID_TAKEN (the principal or certificate is bound already) */
  issueCredential(credential: NewCredential): Promise<Credential>;
  /** Newest first. */
  listCredentials(query: Page & Pick<ListCredentialsQuery, "agentId" | "kind">): Promise<Paged<Credential>>;
  /** Permanent; includes unused renewals of the token. Repeating it changes nothing. @throws NOT_FOUND */
  revokeCredential(credentialId: string): Promise<Credential>;
  /**
   * Another token of the same agent, with what the old one has. The old one ends with the first use of the new one; of those that
   * wait for their first use PENDING_RENEWALS_MAX live. @throws UNAUTHENTICATED (the old one is no token, revoked or expired);
   * FORBIDDEN (the agent has LIVE_TOKENS_MAX valid ones)
   */
  renewToken(renewal: TokenRenewal): Promise<Credential>;
  /**
   * Notes that they were used, each at most once in CREDENTIAL_USE_MILLISECONDS. The first use of a renewal revokes the token
   * that it renews. @returns which of them are there and not
   * revoked: one that is used for the first time counts only then, for it may have been replaced since it was found
   */
  recordCredentialUse(credentialIds: readonly string[]): Promise<string[]>;

  // audit -----------------------------------------------------------------------------------------------------------
  /** Newest first. A page may hold fewer entries than asked for, or none, and not be the last. */
  listAudit(query: ListAuditQuery): Promise<Paged<AuditEntry>>;
  /** Adds entries about what is not in the store itself; everything else adds its own. */
  recordAudit(entries: readonly NewAuditEntry[]): Promise<void>;
  /** Oldest first. */
  listAuditBlocks(query: ListAuditBlocksQuery): Promise<Paged<AuditBlock>>;
  /** With its entries as they are now. @throws NOT_FOUND */
  getAuditBlock(blockNo: number): Promise<AuditBlockContents>;
  /** undefined while nothing has been sealed. */
  newestAuditBlock(): Promise<AuditBlock | undefined>;
  /** What no block holds yet. */
  unsealedAudit(): Promise<UnsealedAudit>;

  // encryption ------------------------------------------------------------------------------------------------------
  /** Values that are encrypted under another version than `keyVersion` (""; under any), counted up to `max`. */
  countOutdated(keyVersion: string, max: number): Promise<number>;
  /** Values of a kind that are encrypted under another version, after a position: some more, or none at the end. */
  findOutdated(kind: EncryptedKind, keyVersion: string, after?: OutdatedPosition): Promise<OutdatedValue[]>;
  /** Replaces each that is still what it was; they are under `keyVersion` then. @returns how many */
  replaceOutdated(kind: EncryptedKind, keyVersion: string, replacements: readonly Replacement[]): Promise<number>;

  // statistics ------------------------------------------------------------------------------------------------------
  queueStatistics(): Promise<statistics.QueueStatistics>;
  registryStatistics(): Promise<statistics.RegistryStatistics>;
  coordinationStatistics(): Promise<statistics.CoordinationStatistics>;
  /** Never throws: what does not answer reads false. */
  checkHealth(): Promise<statistics.Health["checks"]>;

  // upkeep ----------------------------------------------------------------------------------------------------------
  /** Heartbeats, ended leases, TTLs, deadlines, backoffs, waiting tasks. Bounded transactions; goes on until done. */
  sweep(): Promise<statistics.SweepReport>;
  /** The part of the sweep that is about tasks: deadlines, times at which they end, questions, dependents, hand-outs. */
  sweepDueTasks(): Promise<statistics.TaskSweepReport>;
  /** When the next backoff or suspension after `after` ends, or a task or question; undefined: nothing waits for a time. */
  nextTaskDue(after: number): Promise<number | undefined>;
  /** The daily upkeep, within its budget, resumable, harmless when two run at once. */
  maintain(): Promise<statistics.StoreMaintenanceReport>;

  // process ---------------------------------------------------------------------------------------------------------
  /** The time as the store tells it, in milliseconds since the epoch. */
  now(): number;
  /** Calls `listener` after each commit of this process that made a message of that agent deliverable. @returns stop */
  onDeliverable(listener: (agentId: string) => void): () => void;
  /** Finishes what is under way and releases the file or the pool. Later calls are STORE_UNAVAILABLE. */
  close(): Promise<void>;
}
