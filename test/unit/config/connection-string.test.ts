import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { ConnectionStringError, formOf, segmentsOf } from "../../../src/lib/config/connection-string.ts";

/** Both forms of connection strings, each with the quoting of its own. */

const ODBC = "Driver={ODBC Driver 18 for SQL Server};";
const valueIn = (text: string, keyword: string) =>
  segmentsOf(text).find((segment) => segment.keyword === keyword)?.value;

describe("connection strings", () => {
  it.each([
    ["Server=a", "ADO.NET"],
    [`${ODBC}Server=a`, "ODBC"],
    [" driver = {x};Server=a", "ODBC"],
    ["Server=a;Driver={x}", "ADO.NET"],
    ["", "ADO.NET"],
  ])("%j is of the form %s", (text, form) => expect(formOf(text)).toBe(form));

  it.each([
    ["Password=plain", "plain"],
    ["Password=  spaces around  ;", "spaces around"],
    ["Password=a=b==", "a=b=="],
    ["Password='a;b'", "a;b"],
    ['Password="a;b"', "a;b"],
    [`Password="say ""hi"""`, `say "hi"`],
    ["Password='it''s'", "it's"],
    [`Password='"'`, '"'],
    [`Password="'"`, "'"],
    ["Password=it's", "it's"],
    [`Password=a"b`, `a"b`],
    ["Password={a}", "{a}"],
    ["Password={a", "{a"],
    ["Password=''", ""],
    ["Password=", ""],
    ["Password=;Encrypt=yes", ""],
    ["Password=a;;Encrypt=yes;", "a"],
    ["Password = ' a ' ;Encrypt=yes", " a "],
    ["\n Password=a\n;\nEncrypt=yes\n", "a"],
  ])("ADO.NET %j", (text, value) => expect(valueIn(text, "Password")).toBe(value));

  it.each([
    ["Pwd=plain", "plain"],
    ["Pwd={a;b}", "a;b"],
    ["Pwd={a}}b}", "a}b"],
    ["Pwd={}}}", "}"],
    ["Pwd={{}", "{"],
    ["Pwd={}", ""],
    ["Pwd='a'", "'a'"],
    [`Pwd="a"`, `"a"`],
    ["Pwd=a{b", "a{b"],
    ["Pwd={a=b;Server=evil}", "a=b;Server=evil"],
    ["Pwd= { a } ;Uid=b", " a "],
  ])("ODBC %j", (text, value) => expect(valueIn(ODBC + text, "Pwd")).toBe(value));

  it.each([
    ["Server=a;secret", 2],
    ["secret", 1],
    ["=secret", 1],
    ["Password='secret", 1],
    ["Password='secret'more", 1],
    [`Server=a;Password="secret;Encrypt=yes`, 2],
    [`${ODBC}Pwd={secret`, 2],
    [`${ODBC}Pwd={secret}}`, 2],
    [`${ODBC}Pwd={secret}more;`, 2],
    ["Server=a;secret;Encrypt=yes", 2],
  ])("%j is refused by the number of its part", (text, part) => {
    const refusal = refusalOf(() => segmentsOf(text));
    expect(refusal).toBeInstanceOf(ConnectionStringError);
    expect(refusal?.message).toContain(`part ${part} `);
    expect(refusal?.message).not.toContain("secret");
  });

  it("any value comes back when it is quoted as its form wants it", () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        expect(valueIn(`Server=a;Password="${value.replaceAll('"', '""')}";Encrypt=yes`, "Password")).toBe(value);
        expect(valueIn(`Server=a;Password='${value.replaceAll("'", "''")}';Encrypt=yes`, "Password")).toBe(value);
        expect(valueIn(`${ODBC}Pwd={${value.replaceAll("}", "}}")}};Encrypt=yes`, "Pwd")).toBe(value);
      }),
    );
  });

  it("any text is read or refused", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."ab=;'\"{} \n") }), fc.boolean(), (text, odbc) => {
        const refusal = refusalOf(() => segmentsOf(odbc ? ODBC + text : text));
        expect(refusal === undefined || refusal instanceof ConnectionStringError).toBe(true);
      }),
    );
  });
});

function refusalOf(act: () => unknown): Error | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
