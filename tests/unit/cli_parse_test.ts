import assert from "node:assert/strict";
import type { Parsed } from "../../lib/cli/command.ts";
import { understand } from "../../lib/cli/front.ts";
import { COMMAND_HELP, programHelp } from "../../lib/cli/help.ts";
import { parseCommand } from "../../lib/cli/parse.ts";

const GLOBALS = {
  file: undefined,
  machine: undefined,
  output: "text",
  quiet: false,
  verbose: false,
  noColor: false,
};
const LOCK = { lockTimeoutMs: 300_000 };
const APPLY = {
  ...GLOBALS,
  kind: "apply",
  plan: undefined,
  yes: false,
  allow: [],
  targets: [],
  takeOver: false,
  prune: false,
  dryRun: false,
  refreshOnly: false,
  tryMs: undefined,
  ...LOCK,
};
const DIFF = {
  ...GLOBALS,
  kind: "diff",
  targets: [],
  refreshOnly: false,
  out: undefined,
  from: undefined,
  asYaml: false,
};
const ROLLBACK = {
  ...GLOBALS,
  kind: "rollback",
  number: undefined,
  yes: false,
  allow: [],
  dryRun: false,
  ...LOCK,
};
const ARTIFACTS = { ...GLOBALS, kind: "artifacts", words: [], to: undefined };
const DELETE = { ...GLOBALS, kind: "delete", name: undefined, data: false, yes: false, allow: [], ...LOCK };

function parse(line: string): Parsed {
  return parseCommand(line.split(" ").filter((word) => word !== ""), "1.2.3");
}

/** What a line is understood as. */
function commandOf(line: string): unknown {
  const parsed = parse(line);
  assert.equal(parsed.kind, "command", `${line}: ${JSON.stringify(parsed)}`);
  return parsed.kind === "command" ? parsed.command : undefined;
}

const COMMAND_LINES: readonly (readonly [line: string, command: unknown])[] = [
  ["apply", APPLY],
  ["-m x apply", { ...APPLY, machine: "x" }],
  ["apply -m x", { ...APPLY, machine: "x" }],
  ["apply -f - -y", { ...APPLY, file: "-", yes: true }],
  ["apply --file=a.yaml --output=json", { ...APPLY, file: "a.yaml", output: "json" }],
  ["apply --allow recreate --allow=data-loss", { ...APPLY, allow: ["recreate", "data-loss"] }],
  ["apply --take-over --dry-run", { ...APPLY, takeOver: true, dryRun: true }],
  ["apply --lock-timeout 30s", { ...APPLY, lockTimeoutMs: 30_000 }],
  ["apply --lock-timeout 1.5m", { ...APPLY, lockTimeoutMs: 90_000 }],
  ["apply -qv --no-color", { ...APPLY, quiet: true, verbose: true, noColor: true }],
  ["apply --target mount:/src --target=dev/vm", { ...APPLY, targets: ["mount:/src", "dev/vm"] }],
  ["apply p.json --yes", { ...APPLY, plan: "p.json", yes: true }],
  ["apply --prune --yes", { ...APPLY, prune: true, yes: true }],
  ["apply --refresh-only", { ...APPLY, refreshOnly: true }],
  ["apply --try 2m", { ...APPLY, tryMs: 120_000 }],
  ["apply --try 24h", { ...APPLY, tryMs: 86_400_000 }],
  ["diff -o json", { ...DIFF, output: "json" }],
  ["diff -o yaml --target vm", { ...DIFF, output: "yaml", targets: ["vm"] }],
  ["diff --out p.json", { ...DIFF, out: "p.json" }],
  ["diff --refresh-only", { ...DIFF, refreshOnly: true }],
  ["diff --as-yaml", { ...DIFF, asYaml: true }],
  ["diff --from old.yaml -f new.yaml", { ...DIFF, from: "old.yaml", file: "new.yaml" }],
  ["env", { ...GLOBALS, kind: "env", name: undefined, shell: undefined, unset: false }],
  ["env dev --shell fish", { ...GLOBALS, kind: "env", name: "dev", shell: "fish", unset: false }],
  ["env --unset -o yaml", {
    ...GLOBALS,
    kind: "env",
    name: undefined,
    shell: undefined,
    unset: true,
    output: "yaml",
  }],
  ["history dev -o yaml", { ...GLOBALS, kind: "history", name: "dev", output: "yaml" }],
  ["rollback", ROLLBACK],
  ["rollback 7 -m dev --dry-run", { ...ROLLBACK, number: 7, machine: "dev", dryRun: true }],
  ["confirm -m dev", { ...GLOBALS, kind: "confirm", name: undefined, machine: "dev", ...LOCK }],
  ["status", { ...GLOBALS, kind: "status", name: undefined }],
  ["status dev", { ...GLOBALS, kind: "status", name: "dev" }],
  ["stop dev --lock-timeout 500ms", { ...GLOBALS, kind: "stop", name: "dev", lockTimeoutMs: 500 }],
  ["start", { ...GLOBALS, kind: "start", name: undefined, ...LOCK }],
  ["restart -m dev", { ...GLOBALS, kind: "restart", name: undefined, machine: "dev", ...LOCK }],
  ["delete", DELETE],
  ["delete dev --data --allow data-loss", { ...DELETE, name: "dev", data: true, allow: ["data-loss"] }],
  ["shell", { ...GLOBALS, kind: "shell", words: [] }],
  ["shell make -j2", { ...GLOBALS, kind: "shell", words: ["make", "-j2"] }],
  ["exec -m x ls -la", { ...GLOBALS, kind: "exec", machine: "x", words: ["ls", "-la"] }],
  ["exec ls -m x --help", { ...GLOBALS, kind: "exec", words: ["ls", "-m", "x", "--help"] }],
  ["-m x exec -q ls -q", { ...GLOBALS, kind: "exec", machine: "x", quiet: true, words: ["ls", "-q"] }],
  ["exec -- -odd", { ...GLOBALS, kind: "exec", words: ["-odd"] }],
  ["exec sh -- -c", { ...GLOBALS, kind: "exec", words: ["sh", "--", "-c"] }],
  ["exec exec apply", { ...GLOBALS, kind: "exec", words: ["exec", "apply"] }],
  ["nerdctl", { ...GLOBALS, kind: "nerdctl", words: [] }],
  ["nerdctl -m x run --rm -it bb sh", {
    ...GLOBALS,
    kind: "nerdctl",
    machine: "x",
    words: ["run", "--rm", "-it", "bb", "sh"],
  }],
  ["nerdctl -- --namespace k8s.io ps", {
    ...GLOBALS,
    kind: "nerdctl",
    words: ["--namespace", "k8s.io", "ps"],
  }],
  ["ctr -m x images ls", { ...GLOBALS, kind: "ctr", machine: "x", words: ["images", "ls"] }],
  ["ctr -- -n moby tasks ls", { ...GLOBALS, kind: "ctr", words: ["-n", "moby", "tasks", "ls"] }],
  ["artifacts list -f x.yaml", { ...ARTIFACTS, task: "list", file: "x.yaml" }],
  ["artifacts fetch a b --to /srv", { ...ARTIFACTS, task: "fetch", words: ["a", "b"], to: "/srv" }],
  ["artifacts verify /srv -o json", { ...ARTIFACTS, task: "verify", words: ["/srv"], output: "json" }],
  ["validate -f x.yaml", { ...GLOBALS, kind: "validate", file: "x.yaml" }],
  ["schema", { ...GLOBALS, kind: "schema", of: "machine" }],
  ["schema plan", { ...GLOBALS, kind: "schema", of: "plan" }],
  ["doctor --fix --yes", { ...GLOBALS, kind: "doctor", fix: true, yes: true }],
  ["version", { ...GLOBALS, kind: "version" }],
  ["agent run /m/dev", { ...GLOBALS, kind: "agent", task: "run", folder: "/m/dev" }],
  ["agent revert /m/dev", { ...GLOBALS, kind: "agent", task: "revert", folder: "/m/dev" }],
];

Deno.test("parseCommand() understands every command and option", () => {
  for (const [line, command] of COMMAND_LINES) {
    const expected = Object.entries(command as Record<string, unknown>);
    const parsed = commandOf(line) as Record<string, unknown>;
    for (const [key, value] of expected) assert.deepEqual(parsed[key], value, `${line}: ${key}`);
    const names = new Set(expected.map(([key]) => key));
    assert.deepEqual(Object.keys(parsed).filter((key) => !names.has(key)), [], line);
  }
});

const MISTAKES: readonly (readonly [line: string, message: RegExp, hint: RegExp])[] = [
  [
    "apply --alow recreate",
    /^Unknown option or argument "--alow"$/,
    /^Did you mean "--allow"\? See machine apply --help$/,
  ],
  ["apply --allo recreate", /"--allo"$/, /^Did you mean "--allow"\?/],
  ["aply", /^Unknown option or argument "aply"$/, /^Did you mean "apply"\? See machine --help$/],
  ["exec --foo ls", /"--foo"$/, /^See machine exec --help$/],
  ["-z apply", /"-z"$/, /^See /],
  ["diff extra", /"extra"$/, /^See machine diff --help$/],
  ["apply -o xml", /"text", "json", and "yaml", but got "xml"$/, /machine apply --help/],
  ["rollback x", /valid integer, but got "x"$/, /machine rollback --help/],
  ["rollback 0", /equal to 1, but got "0"$/, /machine rollback --help/],
  ["apply p.json -f x.yaml", /^"PLAN" and "-f" exclude each other$/, /The plan holds what its file said/],
  ["apply p.json -m dev", /^"PLAN" and "-m" exclude/, /one machine/],
  ["apply p.json --target vm", /^"PLAN" and "--target" exclude/, /machine diff --out/],
  ["apply p.json --refresh-only", /^"PLAN" and "--refresh-only" exclude/, /carried out/],
  ["apply p.json --prune", /^"PLAN" and "--prune" exclude/, /left it/],
  ["apply --try 2m --dry-run", /^"--try" and "--dry-run" exclude/, /nothing that could be tried/],
  ["apply --try 2m --refresh-only", /^"--try" and "--refresh-only" exclude/, /nothing that could be tried/],
  ["apply --try 2m --target vm", /^"--try" and "--target" exclude/, /whole form/],
  ["apply --try 2m --prune", /^"--try" and "--prune" exclude/, /does not come back/],
  ["apply --try 29s", /^"--try" takes a time from 30s to 24h$/, /--try 2m/],
  ["apply --try 25h", /^"--try" takes a time from 30s to 24h$/, /--try 2m/],
  ["apply --refresh-only --dry-run", /^"--refresh-only" and "--dry-run" exclude/, /changes nothing anyway/],
  ["apply --refresh-only --prune", /^"--refresh-only" and "--prune" exclude/, /changes nothing/],
  ["apply --prune --target vm", /^"--prune" and "--target" exclude/, /whole machines/],
  ["apply --prune -f -", /^"--prune" and "-f -" exclude/, /something else each time/],
  ["apply --prune -m dev", /^"--prune" and "-m" exclude/, /whole file/],
  ["apply -o yaml", /^"-o yaml" is not for machine apply$/, /only read/],
  ["stop -o yaml", /^"-o yaml" is not for machine stop$/, /only read/],
  ["diff --from a --refresh-only", /^"--from" and "--refresh-only" exclude/, /no machine/],
  ["diff --from a --out p", /^"--from" and "--out" exclude/, /cannot be carried out/],
  ["diff --from a --as-yaml", /^"--from" and "--as-yaml" exclude/, /says it already/],
  ["diff --as-yaml --out p", /^"--as-yaml" and "--out" exclude/, /one after the other/],
  ["diff --as-yaml -o json", /^"--as-yaml" and "-o" exclude/, /form of its own/],
  ["diff --refresh-only --out p", /^"--refresh-only" and "--out" exclude/, /nothing to carry out/],
  ["apply --allow live", /"recreate" and "data-loss", but got "live"$/, /machine apply --help/],
  ["apply --lock-timeout 5", /such as 30s or 5m, but got "5"$/, /machine apply --help/],
  ["apply --lock-timeout -5s", /-5s/, /machine apply --help/],
  ["apply -m", /"-m" requires "NAME"$/, /machine apply --help/],
  ["apply -m x -m y", /"-m" cannot be used multiple times$/, /machine apply --help/],
  ["-m status", /^No matching command/, /machine --help/],
  ["artifacts", /"list", "fetch", and "verify"|^Missing|TASK/, /machine artifacts --help/],
  ["artifacts bring", /"fetch", and "verify", but got "bring"$/, /machine artifacts --help/],
  ["artifacts list nerdctl", /^machine artifacts list takes no names$/, /machine artifacts --help/],
  ["artifacts verify a b", /^machine artifacts verify takes one folder$/, /machine artifacts --help/],
  ["artifacts verify --to x", /^"--to" is not for machine artifacts verify$/, /fetch --to FOLDER/],
  ["artifacts list -o yaml", /^"-o yaml" is not for machine artifacts$/, /only read/],
  ["exec", /^The command to run is missing$/, /machine exec uname -a/],
  ["exec -m x", /^The command to run is missing$/, /machine shell/],
];

Deno.test("parseCommand() gives mistakes as values, with the nearest name", () => {
  for (const [line, message, hint] of MISTAKES) {
    const parsed = parse(line);
    assert.equal(parsed.kind, "usage", line);
    if (parsed.kind !== "usage") continue;
    assert.match(parsed.message, message, line);
    assert.match(parsed.hint, hint, line);
    assert.doesNotMatch(parsed.message, /\.$|`/, line);
    assert.equal(parsed.output, / -o (json|yaml)$/.exec(line)?.[1] ?? "text", line);
  }
});

Deno.test("parseCommand() keeps -o json for the mistake's own form", () => {
  for (const line of ["-o json aply", "aply --output json", "aply --output=json"]) {
    const parsed = parse(line);
    assert.equal(parsed.kind === "usage" && parsed.output, "json", line);
  }
});

Deno.test("parseCommand() gives help with examples for every command", () => {
  for (const [name, help] of Object.entries(COMMAND_HELP)) {
    for (const line of [`${name} --help`, `${name} -h`, `help ${name}`]) {
      const parsed = parse(line);
      assert.equal(parsed.kind, "text", line);
      if (parsed.kind !== "text") continue;
      assert.match(parsed.text, new RegExp(`^Usage: machine ${name} \\[OPTIONS\\]`, "m"), line);
      assert.ok(help.examples.length > 0, name);
      for (const [example] of help.examples) assert.ok(parsed.text.includes(example), `${line}: ${example}`);
      for (const text of parsed.text.split("\n")) {
        assert.ok(text.length <= 80 && text === text.trimEnd(), text);
      }
    }
  }
});

Deno.test("parseCommand() has examples in help that it understands itself", () => {
  for (const { examples } of Object.values(COMMAND_HELP)) {
    for (const [example] of examples) {
      const line = example.replace(/^.*\| machine /, "machine ").replace(/ [<>] \S+$/, "").replace(
        /^machine /,
        "",
      );
      assert.equal(parse(line).kind, "command", example);
    }
  }
});

Deno.test("parseCommand() lists every command in its help, and not the hidden agent", () => {
  for (const line of ["", "--help", "-h", "help"]) {
    const parsed = parse(line);
    assert.equal(parsed.kind, "text", line);
    if (parsed.kind !== "text") continue;
    for (const name of Object.keys(COMMAND_HELP)) assert.match(parsed.text, new RegExp(`^  ${name} `, "m"));
    assert.doesNotMatch(parsed.text, /agent/);
    assert.match(parsed.text, /Examples:\n {2}machine doctor --fix/);
  }
});

Deno.test("programHelp() has every option that the pages of commands have", () => {
  const page = programHelp();
  for (const text of page.split("\n")) assert.ok(text.length <= 80 && text === text.trimEnd(), text);
  const schema = parse("schema --help");
  assert.ok(schema.kind === "text");
  const options = [...schema.text.matchAll(/^ {2}((?:-\w, )?--[a-z-]+(?: [A-Z]+)?) /gm)].map(([, option]) =>
    option!
  );
  assert.ok(options.length >= 6);
  for (const option of options) assert.ok(page.includes(`  ${option} `), option);
});

Deno.test("understand() gives the same quickly", async () => {
  for (const words of [[], ["--help"], ["-h"], ["help"], ["--version"], ["apply", "-y"], ["aply"]]) {
    assert.deepEqual(await understand(words, "1.2.3"), parseCommand(words, "1.2.3"), words.join(" "));
  }
});

Deno.test("parseCommand() prints the version alone", () => {
  assert.deepEqual(parse("--version"), { kind: "text", text: "1.2.3\n" });
});
