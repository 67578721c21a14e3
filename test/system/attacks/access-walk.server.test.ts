import { afterAll, describe } from "@jest/globals";
import { dropDatabases, openMssqlUnderTest } from "../../contract/mssql-under-test.ts";
import { accessWalk } from "./access-walk.ts";
import { probeWalk } from "./probe-walk.ts";

afterAll(dropDatabases);

describe("walk of routes and roles on a TDS server", () => accessWalk(openMssqlUnderTest));

describe("probes of the routes on a TDS server", () => probeWalk(openMssqlUnderTest));
