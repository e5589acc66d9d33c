import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { understand } from "../../lib/cli/front.ts";
import { PASSES } from "../../lib/plan/plan.ts";
import { RULES } from "../../lib/plan/rules.ts";
import settings from "../../deno.json" with { type: "json" };
import { line, makeTestHost } from "./config_fixture.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

interface Page {
  /** Relative to the repository's folder. */
  readonly path: string;
  readonly text: string;
}

/** Every document for people. */
async function pages(): Promise<Page[]> {
  const paths = ["README.md", "CONTRIBUTING.md"];
  for await (const { name } of Deno.readDir(join(ROOT, "docs"))) {
    if (name.endsWith(".md")) paths.push(`docs/${name}`);
  }
  return await Promise.all(
    paths.sort().map(async (path) => ({ path, text: await Deno.readTextFile(join(ROOT, path)) })),
  );
}

/** The commands that a text shows: the lines of its `sh` blocks, cut where a shell would, and what stands in `code`. */
function shownCommands(text: string): string[][] {
  const blocks = [...text.matchAll(/^ *```sh\n(.*?)^ *```$/gms)].map((match) => match[1]!);
  const prose = text.replaceAll(/^ *```.*?^ *```$/gms, "");
  const spans = [...prose.matchAll(/`([^`]+)`/g)].map((match) => match[1]!.replaceAll("\n", " "));
  const lines = [...blocks.flatMap((block) => block.split("\n")), ...spans.filter((it) => !it.includes("…"))];
  return lines.flatMap((line) => line.split(/\s(?:&&|\|\||\||;)\s/)).map(wordsOf);
}

/** Splits a line into words; quotes hold one together, and a comment ends it. */
function wordsOf(line: string): string[] {
  const words = line.match(/#.*|"[^"]*"|'[^']*'|[^\s"']+/g) ?? [];
  const end = words.findIndex((word) => word.startsWith("#"));
  return words.slice(0, end < 0 ? undefined : end).map((word) => word.replaceAll(/^["']|["']$/g, ""));
}

/** The task that a command names, with `deno` or by `npx`. */
function taskOf(words: readonly string[]): string | undefined {
  const start = words[0] === "npx" ? words.findIndex((word) => word.startsWith("deno@")) : 0;
  const isDeno = /^deno(@|$)/.test(words[start] ?? "");
  return isDeno && words[start + 1] === "task" ? words[start + 2] ?? "" : undefined;
}

/** Why a command would not run; `undefined` when it would, or when it is not ours to judge. */
async function whyNot(words: readonly string[]): Promise<string | undefined> {
  const task = taskOf(words);
  if (task !== undefined) {
    return Object.hasOwn(settings.tasks, task) ? undefined : `there is no task "${task}"`;
  }
  if (words[0] !== "machine" || words.length === 1) return undefined;
  const parsed = await understand(words.slice(1), settings.version);
  return parsed.kind === "usage" ? parsed.message : undefined;
}

/** Targets of the links of a page that lead into the repository. */
function linksOf({ text }: Page): string[] {
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]!)
    .filter((target) => !/^[a-z]+:/.test(target));
}

/** The anchor of a heading, as hosts of repositories make it. */
function anchorOf(heading: string): string {
  return heading.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");
}

Deno.test("the documents show only commands that the program understands and tasks that exist", async () => {
  const wrong: string[] = [];
  let judged = 0;
  for (const { path, text } of await pages()) {
    for (const words of shownCommands(text)) {
      if (words[0] === "machine" || taskOf(words) !== undefined) judged++;
      const reason = await whyNot(words);
      if (reason !== undefined) wrong.push(`${path}: ${words.join(" ")}: ${reason}`);
    }
  }
  assert.deepEqual(wrong, []);
  assert.ok(judged > 50, `only ${judged} commands were found`);
});

Deno.test("shownCommands() finds commands in blocks and in prose, and no others", async () => {
  const text = 'Say `machine diff -v`.\n\n```sh\necho "a b" | machine frobnicate # why\n' +
    "npx -y deno@2.9.6 task nothing\n```\n\n```text\nmachine crash\n```\n";
  const commands = shownCommands(text);
  assert.deepEqual(commands.filter((words) => words.length > 0), [
    ["echo", "a b"],
    ["machine", "frobnicate"],
    ["npx", "-y", "deno@2.9.6", "task", "nothing"],
    ["machine", "diff", "-v"],
  ]);
  const reasons = await Promise.all(commands.map(whyNot));
  assert.equal(reasons.filter((reason) => reason !== undefined).length, 2);
});

Deno.test("every link of the documents leads to a file, and to a heading where it names one", async () => {
  const wrong: string[] = [];
  for (const page of await pages()) {
    for (const link of linksOf(page)) {
      const [file = "", anchor] = link.split("#");
      const target = file === "" ? join(ROOT, page.path) : join(ROOT, dirname(page.path), file);
      const text = await Deno.readTextFile(target).catch(() => undefined);
      const headings = [...(text ?? "").matchAll(/^#+ (.*)$/gm)].map((match) => anchorOf(match[1]!));
      if (text === undefined || (anchor !== undefined && !headings.includes(anchor))) {
        wrong.push(`${page.path}: ${link}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("every file of the program that the documents name exists, with the functions that stand beside it", async () => {
  const wrong: string[] = [];
  for (const { path, text } of await pages()) {
    const prose = text.replaceAll(/\s+/g, " ");
    for (const [, file] of prose.matchAll(/`((?:lib|tests|schemas|profiles)\/[\w./]+\.\w+)`/g)) {
      if (!await Deno.stat(join(ROOT, file!)).then(() => true, () => false)) wrong.push(`${path}: ${file}`);
    }
    for (const [, name, file] of prose.matchAll(/`(?:\w+\.)?(\w+)\(\)` in `(lib\/[\w./]+\.ts)`/g)) {
      const source = await Deno.readTextFile(join(ROOT, file!)).catch(() => "");
      if (!new RegExp(`\\b${name}\\b`).test(source)) wrong.push(`${path}: ${name}() in ${file}`);
    }
  }
  assert.deepEqual(wrong, []);
});

/** The text of all of lib/. */
async function sourceText(folder = join(ROOT, "lib")): Promise<string> {
  let text = "";
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    text += isDirectory ? await sourceText(path) : await Deno.readTextFile(path);
  }
  return text;
}

/** Without the seams of strings that go over several lines, and with `…` for what is put in. */
function joinStrings(source: string): string {
  return source.replaceAll(/["`] \+\s+["`]/g, "").replaceAll(/\$\{[^{}]*\}/g, "…");
}

Deno.test("every message in docs/troubleshooting.md is one that the program can print", async () => {
  const once = joinStrings(await sourceText());
  // A text that is put into another one is gone after the second time, and what is around it is whole only then.
  const source = once + joinStrings(once);
  const text = await Deno.readTextFile(join(ROOT, "docs/troubleshooting.md"));
  const messages = [...text.matchAll(/\*\*(.+?)\*\*/gs)].map((match) => match[1]!.replaceAll(/\s+/g, " "));
  // What the program puts together from pieces is looked for piece by piece.
  const unknown = messages.filter((message) =>
    message.split(/…"?|[:;] /).some((part) => !source.includes(part.trim()))
  );
  assert.deepEqual(unknown, []);
  assert.ok(messages.length > 50, `only ${messages.length} messages were found`);
});

Deno.test("every machine file that the documents show is valid, but for folders that are not here", async () => {
  await using host = await makeTestHost();
  const wrong: string[] = [];
  let judged = 0;
  for (const { path, text } of await pages()) {
    for (const [, block = ""] of text.matchAll(/^ *```yaml\n(.*?)^ *```$/gms)) {
      const result = await host.loadAll(block);
      judged++;
      const problems = result.ok
        ? []
        : result.problems.filter(({ message }) => !/does not exist$/.test(message));
      wrong.push(...problems.map((problem) => `${path}: ${line(problem)}`));
    }
  }
  assert.deepEqual(wrong, []);
  assert.ok(judged >= 4, `only ${judged} machine files were found`);
});

Deno.test("docs/plan.md has every rule and every pass of the planner, in their order", async () => {
  const text = await Deno.readTextFile(join(ROOT, "docs/plan.md"));
  const items = [...text.matchAll(/^\d+\. (.+)$/gm)].map((match) => match[1]);
  assert.deepEqual(items, [...RULES, ...PASSES].map(({ name }) => name));
});
