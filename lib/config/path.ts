/** Where a value stands in the file: keys of maps and indexes of lists, from the top. */
export type Path = readonly (string | number)[];

/** Writes a path as people read it: `mounts[0].source`, `sysctl["vm.swappiness"]`; empty for the whole file. */
export function formatPath(path: Path): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (!/^[\w-]+$/.test(step)) text += `[${JSON.stringify(step)}]`;
    else text += text === "" ? step : `.${step}`;
  }
  return text;
}

/**
 * Reads a path as {@link formatPath} writes it. A step in brackets that is neither a number nor quoted is the
 * identity of a list's entry, e.g. the target in `mounts[/src]`, and comes back as that text.
 */
export function parsePath(text: string): Path {
  const steps: (string | number)[] = [];
  for (const match of text.matchAll(/\[("(?:[^"\\]|\\.)*"|[^\]]*)\]|([^.[\]]+)/g)) {
    const [, bracketed, key] = match;
    if (key !== undefined) steps.push(key);
    else if (bracketed?.startsWith('"')) steps.push(String(JSON.parse(bracketed)));
    else if (bracketed !== undefined) {
      steps.push(/^(0|[1-9]\d*)$/.test(bracketed) ? Number(bracketed) : bracketed);
    }
  }
  return steps;
}
