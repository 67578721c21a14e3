import { taskQuestionPayloadSchema } from "../model/suspension.ts";
import { taskAssignmentPayloadSchema, taskCancelPayloadSchema, taskResultPayloadSchema } from "../model/task.ts";
import { workflowResultPayloadSchema } from "../model/workflow.ts";

/** Payloads of the messages that the switchboard alone writes, by their names among the schemas of the OpenAPI document. */
export const SWITCHBOARD_PAYLOADS = {
  TaskAssignmentPayload: taskAssignmentPayloadSchema.meta({
    description:
      "Payload of a `task_assignment`, to the agent that the task is assigned to. Its start completes the message.",
  }),
  TaskCancelPayload: taskCancelPayloadSchema.meta({
    description: "Payload of a `task_cancel`, to the agent that works on the task.",
  }),
  TaskQuestionPayload: taskQuestionPayloadSchema.meta({
    description: "Payload of a `task_question`, to the agents of `askedOf`, else to the supervisor of the task.",
  }),
  TaskResultPayload: taskResultPayloadSchema.meta({
    description:
      "Payload of a `task_result`, to the supervisor of a task that has ended (in a workflow, with `notify: each`).",
  }),
  WorkflowResultPayload: workflowResultPayloadSchema.meta({
    description: "Payload of a `workflow_result`, to the supervisor of a workflow that has ended.",
  }),
};
