/** The tree of Microsoft's parser, as scripts/tsql-check writes it. */

/** What a node is made of: names are strings, qualified names lists of strings. */
export type Part = SyntaxNode | string | number | boolean | readonly Part[];

export interface SyntaxNode {
  readonly kind: string;
  readonly line: number;
  readonly column: number;
  readonly [part: string]: Part | undefined;
}

/** What is wrong with a text, and where. */
export interface Problem {
  text: string;
  line: number;
  message: string;
}

export function isNode(part: Part | undefined): part is SyntaxNode {
  return typeof part === "object" && !Array.isArray(part);
}

/** The node at a path of part names, if it is there. */
export function child(node: SyntaxNode | undefined, ...path: string[]): SyntaxNode | undefined {
  let current = node;
  for (const name of path) {
    const part: Part | undefined = current?.[name];
    current = isNode(part) ? part : undefined;
  }
  return current;
}

/** The nodes of a list; [] when there is none. */
export function list(node: SyntaxNode | undefined, name: string): readonly SyntaxNode[] {
  const part = node?.[name];
  return Array.isArray(part) ? part.filter(isNode) : [];
}

/** A name or other string. */
export function word(node: SyntaxNode | undefined, name: string): string | undefined {
  const part = node?.[name];
  return typeof part === "string" ? part : undefined;
}

/** A qualified name, as its parts. */
export function qualified(node: SyntaxNode | undefined, name: string): string[] {
  const part = node?.[name];
  return Array.isArray(part) ? part.filter((one) => typeof one === "string") : [];
}

/** The nodes right below a node, in the order of the parser's properties. */
export function parts(node: SyntaxNode): SyntaxNode[] {
  return Object.values(node).flatMap((part) =>
    Array.isArray(part) ? part.filter(isNode) : isNode(part) ? [part] : [],
  );
}

/** A node and all below it. */
export function* everyNode(node: SyntaxNode): Generator<SyntaxNode> {
  yield node;
  for (const part of parts(node)) yield* everyNode(part);
}

/** The nodes of some kinds, in the order of the text. */
export function nodesOf(node: SyntaxNode, ...kinds: string[]): SyntaxNode[] {
  return [...everyNode(node)]
    .filter(({ kind }) => kinds.includes(kind))
    .sort((a, b) => a.line - b.line || a.column - b.column);
}
