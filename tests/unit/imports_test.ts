import assert from "node:assert/strict";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** What each room may import, as starts of paths under lib/; itself always. Everything leads towards host. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  cli: ["apply/", "artifacts/", "config/", "ui/", "agent/", "plan/", "host/"],
  apply: ["plan/", "resources/", "config/types.ts", "host/"],
  resources: [
    "plan/",
    "artifacts/",
    "drivers/",
    "guest/",
    "image/",
    "agent/client.ts",
    "agent/api.ts",
    "agent/spawn.ts",
    "config/types.ts",
    "config/effects.ts",
    "host/",
  ],
  agent: ["guest/", "drivers/", "config/types.ts", "host/"],
  drivers: ["config/types.ts", "host/"],
  image: ["config/types.ts", "host/"],
  artifacts: ["host/"],
  guest: ["host/"],
  plan: ["config/types.ts"],
  ui: ["plan/", "apply/events.ts", "apply/types.ts"],
  config: ["host/"],
  host: [],
};

/** Files beside a room's code that it may read as data. */
const DATA = ["../schemas/machine.v1.schema.json", "../schemas/plan.v1.schema.json", "../deno.json"];

const MOST_LINES = 400;

Deno.test("lib's rooms import one another only as the table says", async () => {
  const wrong: string[] = [];
  for (const { path, text } of await sources()) {
    const room = path.split("/")[0]!;
    const allowed = MAY_IMPORT[room];
    if (allowed === undefined) {
      wrong.push(`${path}: the room "${room}" is not in the table`);
      continue;
    }
    for (const target of localImports(path, text)) {
      if (target.startsWith(`${room}/`) || DATA.includes(target)) continue;
      if (!allowed.some((start) => target.startsWith(start))) wrong.push(`${path} imports ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("plan and config's types import nothing that could do anything", async () => {
  for (const { path, text } of await sources()) {
    if (!path.startsWith("plan/") && path !== "config/types.ts") continue;
    const foreign = specifiers(text).filter((specifier) => !specifier.startsWith("."));
    assert.deepEqual(foreign, [], path);
  }
});

Deno.test("only host touches Deno, apart from the agent's sockets", async () => {
  const wrong: string[] = [];
  for (const { path, text } of await sources()) {
    if (path.startsWith("host/")) continue;
    const uses = [...withoutComments(text).matchAll(/\bDeno\.(\w+)/g)].map(([, name]) => name!);
    const sockets = ["serve", "listen", "connect", "errors", "Conn", "UnixConn", "TcpConn", "Listener"];
    for (const name of new Set(uses)) {
      if (!path.startsWith("agent/") || !sockets.includes(name)) wrong.push(`${path} uses Deno.${name}`);
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("no file of lib is longer than 400 lines", async () => {
  const long = (await sources()).map(({ path, text }) => ({ path, lines: text.split("\n").length - 1 }))
    .filter(({ lines }) => lines > MOST_LINES);
  assert.deepEqual(long, []);
});

Deno.test("packages are imported by the bare names of deno.json", async () => {
  const settings = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  const names = Object.keys(settings.imports as Record<string, string>);
  const wrong: string[] = [];
  for (const { path, text } of await sources()) {
    for (const specifier of specifiers(text)) {
      if (specifier.startsWith(".") || specifier.startsWith("node:")) continue;
      if (!names.some((name) => specifier === name || specifier.startsWith(`${name}/`))) {
        wrong.push(`${path} imports ${specifier}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
});

interface Source {
  /** Relative to lib/. */
  readonly path: string;
  readonly text: string;
}

async function sources(folder = join(ROOT, "lib")): Promise<Source[]> {
  const found: Source[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) found.push(...await sources(path));
    else if (name.endsWith(".ts")) {
      found.push({ path: relative(join(ROOT, "lib"), path), text: await Deno.readTextFile(path) });
    }
  }
  return found;
}

/** Files that a source imports or reads by a relative path, relative to lib/. */
function localImports(path: string, text: string): string[] {
  return specifiers(text).filter((specifier) => specifier.startsWith("."))
    .map((specifier) => relative(".", join(dirname(path), specifier)));
}

/** What stands after `from`, in a bare `import "x"` or an `import("x")`. */
function specifiers(text: string): string[] {
  const form =
    /^\s*(?:import|export)\b[^;"']*?\bfrom\s*"([^"]+)"|^\s*import\s*"([^"]+)"|\bimport\("([^"]+)"\)/gm;
  return [...withoutComments(text).matchAll(form)].map(([, from, bare, dynamic]) => from ?? bare ?? dynamic!);
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
}
