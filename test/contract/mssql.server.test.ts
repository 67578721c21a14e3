import { afterAll, describe } from "@jest/globals";
import { contracts } from "./contracts.ts";
import { dropDatabases, openMssqlUnderTest } from "./mssql-under-test.ts";

describe("azure sql store", () => {
  afterAll(dropDatabases);
  for (const contract of contracts) contract(openMssqlUnderTest);
});
