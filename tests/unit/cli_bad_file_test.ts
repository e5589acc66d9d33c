import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));

/** What is wrong, the file, and the places that have to be named. */
type Row = readonly [what: string, file: string | Uint8Array<ArrayBuffer>, places: readonly string[]];

const ROWS: readonly Row[] = [
  ["an unknown key", "name: a\nvm:\n  memroy: 4GiB\n", ["3:3"]],
  ["a wrong type", "vm: {cpus: four}\n", ["1:12"]],
  ["a negative size", "vm: {memory: -4GiB}\n", ["1:14"]],
  ["a size without unit", "vm: {memory: 4}\n", ["1:14"]],
  ["a missing mount source", "mounts:\n  - source: /not/there\n", ["2:13"]],
  ["memory above the host's", "vm: {memory: 900TiB}\n", ["1:14"]],
  ["a bad name", "name: Not_Good\n", ["1:7"]],
  ["two errors at once", "name: Not_Good\nvm:\n  cpus: 0\n", ["1:7", "3:9"]],
  ["an empty file", "", ["1:1"]],
  ["a binary file", new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 0, 1, 2, 0xff]), ["1:"]],
  ["50 levels of nesting", `vm: ${"[".repeat(50)}${"]".repeat(50)}\n`, ["1:"]],
  ["an alias bomb", aliasBomb(), ["5:"]],
  ["a mode that is a number", "files: [{path: /a, content: b, mode: 0644}]\n", ["1:38"]],
  ["~ without quotes", "mounts:\n  - source: ~\n", ["2:13"]],
  ["a key that is not supported yet", "name: a\nkubernetes: {k3s: {version: v1.33.4+k3s1}}\n", ["2:1"]],
];

for (const [what, file, places] of ROWS) {
  Deno.test(`apply refuses ${what} with its place and touches nothing`, async () => {
    const home = await Deno.makeTempDir({ prefix: "m-" });
    try {
      const path = join(home, "bad.yaml");
      await Deno.writeFile(path, typeof file === "string" ? new TextEncoder().encode(file) : file);
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", MAIN, "apply", "-f", path, "--yes"],
        stdin: "null",
        cwd: home,
        env: {
          HOME: home,
          MACHINE_HOME: join(home, "m"),
          XDG_CACHE_HOME: join(home, "c"),
          DOCKER_CONFIG: join(home, "d"),
          DENO_DIR: denoDir(),
        },
      }).output();
      const said = new TextDecoder().decode(stderr);
      assert.equal(code, 3, said);
      assert.equal(new TextDecoder().decode(stdout), "");
      for (const place of places) {
        assert.ok(said.includes(`bad.yaml:${place}`), `${place} is not in\n${said}`);
      }
      const entries = [];
      for await (const { name } of Deno.readDir(home)) entries.push(name);
      assert.deepEqual(entries, ["bad.yaml"]);
    } finally {
      await Deno.remove(home, { recursive: true });
    }
  });
}

function aliasBomb(): string {
  const rows = ["a: &a [x, x, x, x, x, x, x, x, x]"];
  for (let level = 1; level < 12; level++) {
    const [name, former] = [letter(level), letter(level - 1)];
    rows.push(`${name}: &${name} [${Array(9).fill(`*${former}`).join(", ")}]`);
  }
  return `${rows.join("\n")}\n`;
}

function letter(index: number): string {
  return String.fromCharCode("a".charCodeAt(0) + index);
}

/** Where Deno keeps packages: it would follow XDG_CACHE_HOME and fetch them all again. */
function denoDir(): string {
  const cache = Deno.env.get("XDG_CACHE_HOME") || `${Deno.env.get("HOME")}/.cache`;
  return Deno.env.get("DENO_DIR") || `${cache}/deno`;
}
