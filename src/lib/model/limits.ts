/** Every size and count that a caller can run into, in one place. Bytes are bytes of UTF-8. */

/** Characters of an id, ordering key, correlation id, task type or capability. */
export const ID_MAX_CHARACTERS = 128;
/** Characters of a message type. */
export const MESSAGE_TYPE_MAX_CHARACTERS = 64;
/** Characters of a channel's name. */
export const CHANNEL_NAME_MAX_CHARACTERS = 100;
export const DESCRIPTION_MAX_BYTES = 8 * 1024;
/** A payload, the parameters or the result of a task, as JSON text. */
export const PAYLOAD_MAX_BYTES = 256 * 1024;
/** An error, a reason or a note. */
export const NOTE_MAX_BYTES = 4 * 1024;
/** An agent's own heartbeat timeout: a third of the shortest is 3 s, and of the longest 8 h. */
export const HEARTBEAT_TIMEOUT_MIN_SECONDS = 10;
export const HEARTBEAT_TIMEOUT_MAX_SECONDS = 86_400;
export const METADATA_MAX_BYTES = 16 * 1024;
export const MESSAGE_SCHEMA_MAX_BYTES = 64 * 1024;
export const REQUEST_MAX_BYTES = 1024 * 1024;
export const BATCH_REQUEST_MAX_BYTES = 4 * 1024 * 1024;
/** Nesting of a JSON value: deeper ones would overflow the stack of a recursive reader on either side. */
export const JSON_MAX_DEPTH = 64;

export const CAPABILITIES_MAX = 64;
export const CONCURRENT_TASKS_MAX = 10_000;
export const BATCH_MAX_MESSAGES = 100;
export const SETTLE_MAX = 100;
export const RECEIVE_MAX_MESSAGES = 50;
export const RECEIVE_MAX_TYPES = 10;
export const RECEIVE_DEFAULT_BYTES = 1024 * 1024;
/** Payload that one receive may ask for: 50 messages of 256 KiB would be 12.5 MiB in one reply. */
export const RECEIVE_MAX_BYTES = 4 * 1024 * 1024;
export const WAIT_MAX_SECONDS = 20;
export const LEASE_DEFAULT_SECONDS = 60;
export const LEASE_MAX_SECONDS = 43_200;
export const ATTEMPTS_MAX = 100;
export const ATTEMPTS_DEFAULT = 5;
/** Delays, time to live and task timeouts: a year. */
export const DURATION_MAX_SECONDS = 31_536_000;
export const RETRIES_MAX = 100;
export const DEPENDENCIES_MAX = 200;
/** Results and errors of other tasks that one assignment brings, as they are stored; those behind are by reference. */
export const BROUGHT_RESULTS_MAX_BYTES = 256 * 1024;
/** The most that a dependency takes in an assignment beside its result and its error: two ids, a status, names. */
export const DEPENDENCY_FIELDS_BYTES = 384;
/** Tasks of one workflow: they are created in one transaction, and stopped in one. */
export const WORKFLOW_TASKS_MAX = 200;
/** Dependencies of all tasks of one workflow, or of all children of one suspension: each is a row. 19,900 took 0.4 s of one transaction. */
export const WORKFLOW_DEPENDENCIES_MAX = 2_000;
export const WORKFLOW_REQUEST_MAX_BYTES = 4 * 1024 * 1024;
/** Children that one suspension makes. */
export const CHILDREN_MAX = 100;
/** Patterns of task types that a task may make children of. */
export const CHILD_TYPES_MAX = 20;
/** The text of a question. */
export const QUESTION_MAX_BYTES = 8 * 1024;
/** The schema of an answer as JSON, and how many properties it has at most. */
export const ANSWER_SCHEMA_MAX_BYTES = 16 * 1024;
export const PROPERTIES_MAX = 20;
export const OPTIONS_MAX = 20;
/** Agents that a question may be asked of. */
export const ASKED_OF_MAX = 20;
/** Suspensions of one task; and those without an answer after which each further one uses a retry. */
export const SUSPENSIONS_MAX = 1_000;
export const FREE_SUSPENSIONS = 100;
/** How far away the time is, in seconds, that a task may suspend until; at most DURATION_MAX_SECONDS. */
export const SUSPEND_MIN_SECONDS = 10;
/** Members of a channel: a post is copied to all of them in one transaction. */
export const CHANNEL_MEMBERS_MAX = 1_000;
/** Agents and roles with grants on one channel. */
export const CHANNEL_GRANTS_MAX = 200;
/** Payload of a post times the members that it is copied to. */
export const BROADCAST_MAX_BYTES = 16 * 1024 * 1024;
/** A reply that lists anything, as JSON; a page that would be larger ends sooner, and the list goes on behind it. */
export const REPLY_MAX_BYTES = 4 * 1024 * 1024;
/** The most that a message in a reply takes in addition to its payload: its reason, ids, names and times. */
export const MESSAGE_FIELDS_BYTES = NOTE_MAX_BYTES + 1024;
export const PAGE_DEFAULT = 50;
export const PAGE_MAX = 200;
/** Dead letters that one redrive or purge call may touch. */
export const DEAD_LETTER_BATCH_MAX = 1_000;
/** Characters of the label of a credential. */
export const LABEL_MAX_CHARACTERS = 128;
/** The longest term of a credential, or of its disuse, in days: ten years. */
export const TERM_MAX_DAYS = 3_650;
/** Tokens that one renewal after the other may have made of the same token before any is used; beyond, the oldest ends. */
export const PENDING_RENEWALS_MAX = 5;
/** Valid tokens of an agent from which on it gets no other by a renewal: a stolen one must not become a thousand. An admin may issue more. */
export const LIVE_TOKENS_MAX = 100;
/** Renewals that an agent may ask of a process at once, and after these in a minute: a stolen token must not breed faster than it is revoked. */
export const RENEWALS_AT_ONCE_MAX = 20;
export const RENEWALS_PER_MINUTE = 6;
/** Characters of the subject of a certificate: it is a key of an index. */
export const SUBJECT_MAX_CHARACTERS = 512;
/** Agents that one enrolment key may create. */
export const ENROLMENT_USES_MAX = 10_000;
/** Agent ids that a principal may be bound to by name; more take a prefix. */
export const PRINCIPAL_AGENTS_MAX = 100;
/** Workers that one assignment weighs against each other. */
export const CANDIDATES_MAX = 64;
/** Dependents that one call settles before it answers. */
export const DEPENDENTS_PER_CALL = 100;
/** Waiting tasks that a call hands out, beside those that it has unblocked. */
export const HANDOUTS_PER_CALL = 10;
/** Waiting tasks that one transaction hands out: each is some 50 µs and ten rows. */
export const HANDOUTS_PER_TRANSACTION = 100;
/** Tasks that one transaction takes back from agents that left or fell silent: each writes about ten rows. */
export const RELEASES_PER_TRANSACTION = 100;
/** Messages that join their ordering keys in one transaction: each is written anew, with an entry in every index. */
export const JOINS_PER_TRANSACTION = 200;
/** Times within an hour that a task is given back by agents that leave before each further one uses a retry. */
export const FREE_RELEASES_PER_HOUR = 20;
/** A heartbeat counts waiting messages up to this many. */
export const PENDING_COUNT_MAX = 1_000;
/** Rows that one maintenance or sweep transaction may touch. */
export const MAINTENANCE_BATCH_ROWS = 1_000;
export const MAINTENANCE_BUDGET_MILLISECONDS = 60_000;

/** What a schedule creates has an id of at most 128 characters that begins `schedule:<scheduleId>:`. */
export const SCHEDULE_ID_MAX_CHARACTERS = 90;
/** Schedules of one supervisor. */
export const SCHEDULES_MAX = 1_000;
/** Firings that are kept of a schedule. */
export const FIRINGS_KEPT = 10;
/** So many refused firings in a row disable a schedule. */
export const REFUSED_FIRINGS_MAX = 3;
/** Due times that were missed by more than this fire as one, the newest of them. */
export const MISSED_MILLISECONDS = 60_000;

/** Pairs of provider and model in one report of usage, and those that one attempt may name in all. */
export const USAGE_ENTRIES_MAX = 8;
export const USAGE_PAIRS_MAX = 32;
/** The largest total of an attempt: tokens, or millionths of a US dollar. Ten of these are still exact as a number of JavaScript. */
export const USAGE_MAX = 1_000_000_000_000_000;
/** Rows of hours that one `GET /usage` adds up at most: half a second of the embedded store, in which other calls wait. */
export const USAGE_ROWS_MAX = 500_000;
/** How long the hours of usage are kept. */
export const USAGE_RETENTION_DAYS = 400;
