// Parses T-SQL with Microsoft's own parser. Reads [{"name", "sql"}, …] as JSON from standard input and writes, for each text,
// {"name", "errors": [{"line", "column", "message"}], "tree"} to standard output. The tree is the parser's, as it stands: the
// rules about it are in test/static/t-sql, in the language of the project.

using System;
using System.Collections;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Text.Json;
using Microsoft.SqlServer.TransactSql.ScriptDom;

// SQL Server 2025, whose language is that of Azure SQL. (The 2025 parser is 170; 180 knows what is not released yet.)
var parser = new TSql170Parser(initialQuotedIdentifiers: true);
var properties = new Dictionary<Type, PropertyInfo[]>();

using var output = new Utf8JsonWriter(Console.OpenStandardOutput());
using var input = JsonDocument.Parse(Console.OpenStandardInput());
output.WriteStartArray();
foreach (var text in input.RootElement.EnumerateArray())
{
    using var reader = new StringReader(text.GetProperty("sql").GetString()!);
    var tree = parser.Parse(reader, out var errors);
    output.WriteStartObject();
    output.WriteString("name", text.GetProperty("name").GetString());
    output.WriteStartArray("errors");
    foreach (var error in errors)
    {
        output.WriteStartObject();
        output.WriteNumber("line", error.Line);
        output.WriteNumber("column", error.Column);
        output.WriteString("message", error.Message);
        output.WriteEndObject();
    }
    output.WriteEndArray();
    output.WritePropertyName("tree");
    if (errors.Count > 0) output.WriteNullValue();
    else Write(tree);
    output.WriteEndObject();
}
output.WriteEndArray();

// A fragment becomes {"kind", "line", "column", …what it has of its own}; what is null, false or empty is left out. A name
// becomes a string, a qualified name a list of strings.
void Write(object value)
{
    switch (value)
    {
        case Identifier name:
            output.WriteStringValue(name.Value);
            break;
        case MultiPartIdentifier name:
            Write(name.Identifiers);
            break;
        case TSqlFragment fragment:
            output.WriteStartObject();
            output.WriteString("kind", fragment.GetType().Name);
            output.WriteNumber("line", fragment.StartLine);
            output.WriteNumber("column", fragment.StartColumn);
            foreach (var property in PropertiesOf(fragment.GetType()))
            {
                var part = property.GetValue(fragment);
                if (part is null or false or ICollection { Count: 0 }) continue;
                output.WritePropertyName(property.Name);
                Write(part);
            }
            output.WriteEndObject();
            break;
        case string text:
            output.WriteStringValue(text);
            break;
        case bool flag:
            output.WriteBooleanValue(flag);
            break;
        case int number:
            output.WriteNumberValue(number);
            break;
        case IEnumerable list:
            output.WriteStartArray();
            foreach (var item in list) Write(item);
            output.WriteEndArray();
            break;
        default:
            output.WriteStringValue(value.ToString());
            break;
    }
}

PropertyInfo[] PropertiesOf(Type type)
{
    if (!properties.TryGetValue(type, out var own))
    {
        own = type.GetProperties()
            .Where(property => property.DeclaringType != typeof(TSqlFragment) && property.GetIndexParameters().Length == 0)
            .ToArray();
        properties[type] = own;
    }
    return own;
}
