import { messageProperties } from "./messages/message-properties.ts";
import { openSqliteUnderTest } from "./sqlite-under-test.ts";
import { retryProperties } from "./tasks/retry-properties.ts";
import { taskProperties } from "./tasks/task-properties.ts";
import { workflowProperties } from "./tasks/workflow-properties.ts";

/** RUNS and SEED replay or deepen a search; fast-check prints the seed and the path of a failure. */
const runs = Number(process.env.RUNS ?? 150);
const seed = process.env.SEED === undefined ? undefined : Number(process.env.SEED);

messageProperties(openSqliteUnderTest, runs, seed);
taskProperties(openSqliteUnderTest, runs, seed);
retryProperties(openSqliteUnderTest, runs, seed);
// 100 graphs took 8 s of processor time, and 26 s on a busy disk.
workflowProperties(openSqliteUnderTest, Number(process.env.GRAPHS ?? 200), seed);
