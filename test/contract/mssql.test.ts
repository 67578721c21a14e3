import { afterAll, describe, it } from "@jest/globals";
import { contracts } from "./contracts.ts";
import { dropDatabases, NO_SERVER, openMssqlUnderTest } from "./mssql-under-test.ts";

if (NO_SERVER === undefined) {
  describe("azure sql store", () => {
    afterAll(dropDatabases);
    for (const contract of contracts) contract(openMssqlUnderTest);
  });
} else {
  console.log(`contract suite on Azure SQL ${NO_SERVER}`);
  describe("azure sql store", () => it.todo(`${NO_SERVER}`));
}
