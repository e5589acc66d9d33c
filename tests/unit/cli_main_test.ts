import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the program itself, with a home of its own. */
async function machine(words: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const home = await Deno.makeTempDir({ prefix: "m-" });
  try {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", MAIN, ...words],
      stdin: "null",
      cwd: home,
      env: { MACHINE_HOME: `${home}/m`, XDG_CACHE_HOME: `${home}/c`, DENO_DIR: denoDir(), ...env },
    }).output();
    const decoder = new TextDecoder();
    return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

/** Where Deno keeps packages: it would follow XDG_CACHE_HOME and fetch them all again. */
function denoDir(): string {
  const cache = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`;
  return Deno.env.get("DENO_DIR") ?? `${cache}/deno`;
}

Deno.test("main() prints help as data and ends with 0", async () => {
  const { code, out, err } = await machine(["--help"]);
  assert.deepEqual({ code, err }, { code: 0, err: "" });
  assert.match(out, /^Turns one file into a running Linux machine/);
});

Deno.test("main() ends with 3 for a command line that it does not understand", async () => {
  assert.deepEqual(await machine(["apply", "--alow", "x"]), {
    code: 3,
    out: "",
    err:
      'Error: Unknown option or argument "--alow"\nHint: Did you mean "--allow"? See machine apply --help\n',
  });
  const { code, err } = await machine(["-o", "json", "aply"]);
  assert.equal(code, 3);
  assert.equal(JSON.parse(err).code, 3);
});

Deno.test("main() prints the version of deno.json", async () => {
  const { version } = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  assert.equal((await machine(["version"])).out, `machine ${version}\n`);
  assert.equal(JSON.parse((await machine(["version", "-o", "json"])).out).version, version);
});

Deno.test("main() runs the doctor on this computer and writes nothing", async () => {
  const { code, out, err } = await machine(["doctor", "-o", "json"]);
  assert.equal(err, "");
  const { ready, findings } = JSON.parse(out);
  assert.equal(code, ready ? 0 : 4);
  assert.ok(findings.length > 10);
});

Deno.test("main() outlives a reader that goes away", async () => {
  const child = new Deno.Command("/bin/sh", {
    args: [
      "-c",
      '{ "$@"; echo "code $?" >&2; } | true',
      "sh",
      Deno.execPath(),
      "run",
      "-A",
      "--no-check",
      MAIN,
      "--help",
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  });
  const { stderr } = await child.output();
  assert.equal(new TextDecoder().decode(stderr), "code 0\n");
});
