import { expect, it } from "@jest/globals";
import { NOT_ON_AZURE, readSettings, settingsOfTemplate } from "../../static/infra/setting-names.ts";

/** A setting that the code reads and the template lacks would be missed in production only. (test/static/infra looks at what is made.) */

it("settings are found in the source and in the template", () => {
  expect(readSettings).toEqual(expect.arrayContaining(["AGENT_MAX_MAILBOX", "AZURE_SQL_SERVER"]));
  expect(settingsOfTemplate).toEqual(expect.arrayContaining(["AGENT_AUTH_MODE", "AGENT_MAX_MAILBOX"]));
});

it.each(readSettings)(
  "%s is in infra/app-settings.json with its default, or set by infra/modules/functions.bicep, or says in NOT_ON_AZURE (test/static/infra/setting-names.ts) why not",
  (name) => {
    expect([...settingsOfTemplate, ...Object.keys(NOT_ON_AZURE)]).toContain(name);
  },
);
