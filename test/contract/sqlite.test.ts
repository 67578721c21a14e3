import { contracts } from "./contracts.ts";
import { openSqliteUnderTest } from "./sqlite-under-test.ts";

for (const contract of contracts) contract(openSqliteUnderTest);
