import { contracts } from "./contracts.ts";
import { openSqliteUnderTest } from "./sqlite-under-test.ts";

/**
 * The contract without what sqlite.test.ts asks after it of every statement that it ran: a mutation run takes some tests
 * of it at a time (scripts/mutation/).
 */
for (const contract of contracts) contract(openSqliteUnderTest);
