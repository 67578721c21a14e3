import { createRequire } from "node:module";
import { text } from "node:stream/consumers";
import { z } from "zod";

/**
 * Microsoft's own parser of KQL, as a program: reads `{name: query}` from its input and writes `{name: [what is wrong]}`. It
 * knows the tables of a workspace, so that a misspelt column is wrong, too.
 */

/** The columns that our queries may ask for, of those that the tables have (learn.microsoft.com/azure/azure-monitor/reference/tables). */
const TABLES: Readonly<Record<string, string>> = {
  AppMetrics:
    "(TimeGenerated: datetime, Name: string, Sum: real, Min: real, Max: real, ItemCount: int, Properties: dynamic, AppRoleName: string, AppRoleInstance: string, OperationName: string)",
  AppRequests:
    "(TimeGenerated: datetime, Id: string, Name: string, Url: string, Success: bool, ResultCode: string, DurationMs: real, ItemCount: int, Properties: dynamic, OperationName: string, OperationId: string, ParentId: string, AppRoleName: string, AppRoleInstance: string)",
  AppExceptions:
    "(TimeGenerated: datetime, ProblemId: string, ExceptionType: string, OuterMessage: string, SeverityLevel: int, ItemCount: int, Properties: dynamic, OperationName: string, OperationId: string, AppRoleInstance: string)",
  AppDependencies:
    "(TimeGenerated: datetime, Id: string, Name: string, Target: string, DependencyType: string, Data: string, Success: bool, ResultCode: string, DurationMs: real, ItemCount: int, Properties: dynamic, OperationId: string, ParentId: string, AppRoleInstance: string)",
  AppTraces:
    "(TimeGenerated: datetime, Message: string, SeverityLevel: int, ItemCount: int, Properties: dynamic, OperationName: string, OperationId: string, AppRoleInstance: string)",
  FunctionAppLogs:
    "(TimeGenerated: datetime, Message: string, Level: string, Category: string, FunctionName: string, ExceptionType: string, ExceptionMessage: string, HostInstanceId: string, RoleInstance: string)",
  AzureDiagnostics:
    "(TimeGenerated: datetime, Category: string, ResourceId: string, ResourceProvider: string, OperationName: string, event_class_s: string, action_name_s: string, server_principal_name_s: string, database_principal_name_s: string, client_ip_s: string, succeeded_s: string, statement_s: string, error_number_d: real, Message: string)",
  AZKVAuditLogs:
    "(TimeGenerated: datetime, OperationName: string, HttpStatusCode: int, CallerIpAddress: string, Identity: dynamic, ResultSignature: string, ResultDescription: string, Properties: dynamic)",
  ContainerAppConsoleLogs:
    "(TimeGenerated: datetime, Log: string, ContainerName: string, JobName: string, ContainerGroupName: string, Stream: string)",
  AzureActivity:
    "(TimeGenerated: datetime, OperationNameValue: string, ActivityStatusValue: string, Caller: string, ResourceGroup: string, _ResourceId: string)",
};

interface Diagnostic {
  Severity: string;
  Message: string;
  Start: number;
}
interface Constructor {
  new (...values: unknown[]): unknown;
}
interface Language {
  GlobalState: { Default: { WithDatabase(database: unknown): unknown } };
  KustoCode: {
    ParseAndAnalyze(
      query: string,
      globals: unknown,
    ): { GetDiagnostics(): { Count: number; getItem(index: number): Diagnostic } };
  };
  Symbols: { TableSymbol: { $ctor7: Constructor }; DatabaseSymbol: { ctor: Constructor } };
}
declare global {
  var Kusto: { Language: Language };
}

const load = createRequire(import.meta.url);
load("@kusto/language-service-next/bridge.min.js");
load("@kusto/language-service-next/Kusto.Language.Bridge.min.js");
const { GlobalState, KustoCode, Symbols } = globalThis.Kusto.Language;

const tables = Object.entries(TABLES).map(([name, schema]) => new Symbols.TableSymbol.$ctor7(name, schema, null));
const globals = GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor("workspace", tables));

function problemsOf(query: string): string[] {
  const found = KustoCode.ParseAndAnalyze(query, globals).GetDiagnostics();
  return Array.from({ length: found.Count }, (_, index) => found.getItem(index)).map(
    ({ Severity, Message, Start }) => `${Severity} at ${Start}: ${Message}`,
  );
}

const queries = z.record(z.string(), z.string()).parse(JSON.parse(await text(process.stdin)));
const answers = Object.entries(queries).map(([name, query]) => [name, problemsOf(query)]);
process.stdout.write(JSON.stringify(Object.fromEntries(answers)));
