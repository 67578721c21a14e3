/** Work that waits, as it is copied: what copied-rows.ts says of all rows holds here, too. */

export type CopiedWorkflow = {
  workflow_id: string;
  supervisor_id: string;
  stop_on_failure: number;
  notify: string;
  status: string;
  version: number;
  open_tasks: number;
  completed: number;
  failed: number;
  cancelled: number;
  not_needed: number;
  stopped: number;
  created_at: number;
  ended_at: number | null;
  idempotency_key: string | null;
  request_hash: string;
};

/** Columns of a task that waits, or did. */
export type CopiedWaitingColumns = {
  expires_at: number | null;
  gate: number;
  suspensions: number;
  /** null: it belongs to none; `workflow_place` and `ref` then, too. */
  workflow_id: string | null;
  workflow_place: number | null;
  ref: string | null;
  stops: number;
  parent_id: string | null;
  child_types: string | null;
  descendants: number;
};

export type CopiedQuestion = {
  attempt: number;
  asked_version: number;
  state: string;
  asked_at: number | null;
  timeout_milliseconds: number | null;
  expires_at: number | null;
  has_default: number;
  default_rejects: number;
  answer_hash: string | null;
  answered_by: string | null;
  answered_at: number | null;
};

export type CopiedAnswerer = {
  /** Of the question. */
  attempt: number;
  agent_id: string;
  asked: number;
  open: number;
};

/** A checkpoint, question or answer; encrypted ones as they are. */
export type CopiedValue = {
  name: string;
  value: string;
  key_version: string | null;
};

/** What a task keeps outside of its own row. */
export type CopiedWait = {
  task_id: string;
  /** null: it was never suspended. */
  unanswered: number | null;
  resumed_by: string | null;
  /** 1: it has ended, and its open children are to be cancelled. */
  parent_ended: number;
  /** 1: it was re-opened, and some of its dependents are to be looked at. */
  reopened: number;
  questions: CopiedQuestion[];
  answerers: CopiedAnswerer[];
  kept_values: CopiedValue[];
};

/** Of an archived task; what is not encrypted is in its document. */
export type CopiedArchivedValue = CopiedValue & { task_id: string };

export type CopiedSchedule = {
  schedule_id: string;
  supervisor_id: string;
  cron: string;
  timezone: string;
  overlap: string;
  enabled: number;
  creates: string;
  contents: string;
  key_version: string | null;
  due_at: number | null;
  planned_at: number;
  refusals: number;
  firings: string;
  version: number;
  created_at: number;
  updated_at: number;
};

/** The kinds of such rows. */
export interface CopiedWaitingRows {
  workflows: CopiedWorkflow;
  waits: CopiedWait;
  archivedValues: CopiedArchivedValue;
  schedules: CopiedSchedule;
}
