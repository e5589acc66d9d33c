import assert from "node:assert/strict";
import fc from "fast-check";
import { sha256 } from "../../lib/host/files.ts";
import { envKind } from "../../lib/resources/env.ts";
import { OWNED_FILE } from "../../lib/resources/owned.ts";
import {
  factsOf,
  type FileAnswer,
  guestOf,
  jobOf,
  listOf,
  lookOf,
  machineOf,
  toldOf,
  withHome,
  worldOf,
} from "./resources_fixture.ts";

const ENVIRONMENT = "/etc/environment";
const PROFILE = "/etc/profile.d/machine.sh";
type Variables = Readonly<Record<string, string>>;

/** A guest with nothing but the files of the environment, kept by what is written into them. */
class EnvGuest {
  readonly files: Record<string, string | undefined>;

  constructor(environment: string | undefined) {
    this.files = { [ENVIRONMENT]: environment };
  }

  get environment(): string | undefined {
    return this.files[ENVIRONMENT];
  }

  set environment(text: string | undefined) {
    this.files[ENVIRONMENT] = text;
  }

  facts() {
    const file = (path: string): FileAnswer => {
      const text = this.files[path];
      if (text === undefined) return null;
      // A look ends every line, and tells the truth by the hash alone.
      return { text: text === "" || text.endsWith("\n") ? text : `${text}\n`, sha256: sha256(text) };
    };
    return factsOf(Object.fromEntries([ENVIRONMENT, PROFILE, OWNED_FILE].map((path) => [path, file(path)])));
  }

  told(env: Variables): Promise<readonly string[]> {
    return toldOf(envKind, { world: worldOf({ machine: machineOf({ env }) }), look: lookOf(this.facts()) });
  }

  async apply(env: Variables): Promise<void> {
    await envKind.apply(this.#job(), env);
    assert.deepEqual(await this.told(env), ["env none live"]);
  }

  async undo(): Promise<void> {
    await envKind.undo(this.#job());
    assert.deepEqual(await this.told({}), []);
  }

  #job() {
    const guest = guestOf(() => this.facts(), (ops) => {
      for (const op of ops) {
        if (op.op === "write") {
          for (const { path, content } of op.files) this.files[path] = String(content);
        } else if (op.op === "remove" || op.op === "put-back") this.files[op.path] = undefined;
      }
      return {};
    });
    return jobOf("env", guest);
  }
}

const BLOCK = '# begin machine\nA="1"\nB="two words"\n# end machine\n';
const ENV = { A: "1", B: "two words" };

const ORIGINALS: readonly (string | undefined)[] = [
  undefined,
  "",
  "PATH=/usr/bin\n",
  "PATH=/usr/bin",
  "# a comment\r\n\r\nX='y'\r\n",
  "\n\n  indented = x\n\n",
  'LANG="C.UTF-8"\n# begin machines\n',
];

for (const original of ORIGINALS) {
  Deno.test(`env: comes into and goes out of ${JSON.stringify(original)} without a trace`, () =>
    withHome(async () => {
      const guest = new EnvGuest(original);
      assert.deepEqual(await guest.told(ENV), ["env create live"]);
      await guest.apply(ENV);
      const gap = original && !original.endsWith("\n") ? "\n" : "";
      assert.equal(guest.environment, `${original ?? ""}${gap}${BLOCK}`);
      await guest.apply({ A: "2" });
      await guest.apply(ENV);
      assert.equal(guest.environment, `${original ?? ""}${gap}${BLOCK}`);
      assert.deepEqual(await guest.told({}), ["env delete live"]);
      await guest.undo();
      assert.equal(guest.environment, original);
      assert.equal(guest.files[PROFILE], undefined);
    }));
}

Deno.test("env: comes into and goes out of any file without a trace", () =>
  withHome(async () => {
    const line = fc.constantFrom(
      "A=1",
      'A="1"',
      "# x",
      "",
      "  ",
      "B = 'x'\r",
      "grüße=ä",
      "# begin machin",
      "=",
    );
    const text = fc.tuple(fc.array(line, { maxLength: 5 }), fc.boolean())
      .map(([lines, ended]) => lines.join("\n") + (ended && lines.length > 0 ? "\n" : ""));
    await fc.assert(
      fc.asyncProperty(text, async (original) => {
        const guest = new EnvGuest(original);
        await guest.apply(ENV);
        await guest.undo();
        assert.equal(guest.environment, original);
      }),
      { numRuns: 200 },
    );
  }));

const VALUES: readonly string[] = [
  "",
  "plain",
  "it's",
  'say "hi"',
  '"',
  "'",
  "$HOME `id` \\",
  "a=b",
  "grüße",
  "  blanks  ",
  "tab\there",
];
for (const value of VALUES) {
  Deno.test(`env: finds the value ${JSON.stringify(value)} again as it was written`, () =>
    withHome(async () => await new EnvGuest("X=1\n").apply({ VALUE: value })));
}

const DAMAGED: readonly (readonly [string, string, string])[] = [
  ["the end mark is gone", BLOCK.replace("# end machine\n", ""), "X=1\n"],
  [
    "the end mark is gone, and others wrote behind it",
    BLOCK.replace("# end machine\n", "OTHER=1\n"),
    "X=1\nOTHER=1\n",
  ],
  ["the block stands there twice", BLOCK + BLOCK, "X=1\n"],
  ["the block was copied by half", `# begin machine\nA="1"\n${BLOCK}`, "X=1\n"],
  ["others wrote into it", BLOCK.replace('B="', 'OTHER=1\nB="'), "X=1\nOTHER=1\n"],
  ["others wrote behind it", `${BLOCK}OTHER=1\n`, "X=1\nOTHER=1\n"],
  ["only its end mark is left", "# end machine\n", "X=1\n"],
  ["it is empty", "# begin machine\n# end machine\n", "X=1\n"],
  ["it is gone", "", "X=1\n"],
  ["its lines end otherwise", BLOCK.replaceAll("\n", "\r\n"), "X=1\n"],
];
for (const [how, damaged, others] of DAMAGED) {
  Deno.test(`env: a block damaged by hand is put right, and others' lines stay: ${how}`, () =>
    withHome(async () => {
      const guest = new EnvGuest("X=1\n");
      await guest.apply(ENV);
      guest.environment = `X=1\n${damaged}`;
      const lines = await guest.told(ENV);
      assert.equal(lines.length, 1);
      assert.match(lines[0]!, /^env (none|update) live/);
      await guest.apply({ ...ENV, C: "3" });
      assert.equal(guest.environment?.match(/# begin machine\n/g)?.length, 1);
      assert.equal(guest.environment?.match(/# end machine\n/g)?.length, 1);
      await guest.undo();
      assert.equal(guest.environment, others);
    }));
}

const ROWS: readonly (readonly [string, Record<string, FileAnswer>, readonly string[]])[] = [
  ["as wanted", {}, ["env none live"]],
  ["neither file nor block nor note", { [ENVIRONMENT]: "X=1\n", [PROFILE]: null, [OWNED_FILE]: null }, [
    "env create live",
  ]],
  ["the block is gone", { [ENVIRONMENT]: "X=1\n" }, ["env update live, env.A, env.B"]],
  ["the profile is gone", { [PROFILE]: null }, ["env update live, env.A, env.B"]],
  ["one value differs in the block", { [ENVIRONMENT]: BLOCK.replace('"1"', '"7"') }, [
    "env update live, env.A",
  ]],
  ["one value differs in the profile", { [PROFILE]: "export A='1'\nexport B='x'\n" }, [
    "env update live, env.B",
  ]],
  [
    "one that nobody wants",
    { [ENVIRONMENT]: BLOCK.replace('A="1"', 'A="1"\nZ="9"') },
    ["env update live, env.Z"],
  ],
];
for (const [name, files, wanted] of ROWS) {
  Deno.test(`env: ${name}`, () =>
    withHome(async () => {
      const profile = "# Written by machine\nexport A='1'\nexport B='two words'\n";
      const usual = { [ENVIRONMENT]: `X=1\n${BLOCK}`, [PROFILE]: profile, [OWNED_FILE]: listOf({ env: {} }) };
      const world = worldOf({ machine: machineOf({ env: ENV }) });
      const look = lookOf(factsOf({ ...usual, ...files }));
      assert.deepEqual(await toldOf(envKind, { world, look }), wanted);
    }));
}

Deno.test("env: a profile of somebody else's is replaced, and not taken away when nothing is wanted", () =>
  withHome(async () => {
    const theirs = { [ENVIRONMENT]: null, [PROFILE]: "export A='1'\n", [OWNED_FILE]: null };
    const seen = (env: Variables) => ({
      world: worldOf({ machine: machineOf({ env }) }),
      look: lookOf(factsOf(theirs)),
    });
    assert.deepEqual(await toldOf(envKind, seen(ENV)), ["env update live, env.A, env.B"]);
    assert.deepEqual(await toldOf(envKind, seen({})), []);
  }));

Deno.test("env: what cannot be read is unknown, and nothing is written over it", () =>
  withHome(async () => {
    const world = worldOf({ machine: machineOf({ env: ENV }) });
    for (const files of [{ [PROFILE]: null }, { [ENVIRONMENT]: "X=1\n" }]) {
      const look = lookOf(factsOf({ ...files, [OWNED_FILE]: null }));
      assert.deepEqual(await toldOf(envKind, { world, look }), [
        "env blocked live (the guest did not answer)",
      ]);
    }
    for (const work of ["apply", "undo"] as const) {
      const guest = guestOf(factsOf({ [OWNED_FILE]: listOf({ env: {} }) }));
      const job = jobOf("env", guest);
      await assert.rejects(
        work === "apply" ? envKind.apply(job, ENV) : envKind.undo(job),
        /Cannot read \/etc\/environment in the guest/,
      );
      assert.deepEqual(guest.requests, []);
    }
  }));
