/** Groups of modules that import each other in a circle (Tarjan's strongly connected components, without recursion). */
export function findCycles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const onStack = new Set<string>();
  const stack: string[] = [];
  const cycles: string[][] = [];

  for (const root of graph.keys()) {
    if (order.has(root)) continue;
    const path: { node: string; next: number }[] = [];
    const enter = (node: string) => {
      order.set(node, order.size);
      low.set(node, order.size - 1);
      stack.push(node);
      onStack.add(node);
      path.push({ node, next: 0 });
    };
    enter(root);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const target = graph.get(top.node)?.[top.next++];
      if (target === undefined) {
        path.pop();
        const parent = path.at(-1);
        if (parent !== undefined) lower(low, parent.node, low.get(top.node));
        if (low.get(top.node) === order.get(top.node)) cycles.push(...component(stack, onStack, top.node, graph));
      } else if (!order.has(target)) enter(target);
      else if (onStack.has(target)) lower(low, top.node, order.get(target));
    }
  }
  return cycles.sort((a, b) => b.length - a.length || ((a[0] ?? "") < (b[0] ?? "") ? -1 : 1));
}

function lower(low: Map<string, number>, node: string, value: number | undefined): void {
  if (value !== undefined && value < (low.get(node) ?? Number.POSITIVE_INFINITY)) low.set(node, value);
}

function component(
  stack: string[],
  onStack: Set<string>,
  root: string,
  graph: ReadonlyMap<string, readonly string[]>,
): string[][] {
  const members = stack.splice(stack.lastIndexOf(root));
  for (const member of members) onStack.delete(member);
  const alone = members.length === 1 && !(graph.get(root) ?? []).includes(root);
  return alone ? [] : [members.sort()];
}
