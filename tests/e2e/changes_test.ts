import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { listFields } from "../../lib/config/schema/walk.ts";
import type { KeyEffect } from "../../lib/config/schema/field.ts";
import { freePort } from "../../lib/host/ports.ts";
import type { PlanJson } from "../../lib/ui/plan_schema.ts";
import type { ChangeRow, Draft, MeasuredRow, Places, QuietRow } from "./change_row.ts";
import { CHANGE_ROWS, firstDraft } from "./change_rows.ts";
import { renderChanges, type ResultRow, sayPlan } from "./change_table.ts";
import { makeCertificates } from "./certificates.ts";
import { e2eTest } from "./e2e_test_case.ts";
import { LOCAL_REPOSITORY } from "./local_repository.ts";
import { Probe } from "./measure.ts";
import { Sandbox } from "./sandbox.ts";

const PAGE = fileURLToPath(new URL("../../docs/changes.md", import.meta.url));
const FIELDS = listFields().filter(({ support }) => support === "yes");

Deno.test("every supported key has a row in the matrix of changes, and so has every case of its effect", () => {
  const covered = new Set(CHANGE_ROWS.flatMap(subjectsOf));
  const wanted = FIELDS.flatMap(({ path, effect }) =>
    typeof effect === "string" ? [path] : Object.keys(effect).map((which) => `${path} ${which}`)
  );
  assert.deepEqual(wanted.filter((subject) => !covered.has(subject)), []);
  assert.deepEqual([...covered].filter((subject) => !wanted.includes(subject)), []);
});

await e2eTest("every change interrupts what its plan says, no more and no less", async (t) => {
  await using sandbox = await Sandbox.make();
  const matrix = await Matrix.start(sandbox);
  for (const row of CHANGE_ROWS) {
    if (row.kind === "named") matrix.results.push({ row, said: row.reason, interrupted: "" });
    else {await t.step(`${nameOf(row)}: ${row.change}`, () =>
        row.kind === "quiet" ? matrix.ignore(row) : matrix.make(row));}
  }
  await t.step("after all of them there is no difference", async () => {
    await sandbox.expect(0, ["diff"]);
  });
  await t.step("docs/changes.md says what was measured", async () => {
    assert.equal(matrix.results.length, CHANGE_ROWS.length, "not every change went as planned");
    const page = renderChanges(matrix.results, FIELDS);
    if (Deno.env.get("MACHINE_WRITE_CHANGES") === "1") await Deno.writeTextFile(PAGE, page);
    assert.equal(await Deno.readTextFile(PAGE), page, "Write it anew with: deno task changes");
  });
});

/** One machine that is changed row by row. */
class Matrix {
  readonly results: ResultRow[] = [];
  readonly #sandbox: Sandbox;
  readonly #probe: Probe;
  readonly #places: Places;
  #draft: Draft;

  private constructor(sandbox: Sandbox, places: Places) {
    this.#sandbox = sandbox;
    this.#probe = new Probe(sandbox);
    this.#places = places;
    this.#draft = firstDraft(this.#places);
  }

  static async start(sandbox: Sandbox): Promise<Matrix> {
    const folder = (name: string) => `${sandbox.root}/${name}`;
    for (const name of ["a", "b", "c"]) {
      await Deno.mkdir(folder(name));
      await Deno.writeTextFile(`${folder(name)}/inside`, name);
    }
    await logIn(sandbox);
    const certificates = await makeCertificates(folder("a"));
    const matrix = new Matrix(sandbox, { folder, port: freePort(), certificates });
    await sandbox.write({ ...matrix.#draft });
    await sandbox.expect(0, ["apply"]);
    await sandbox.inGuest("dev", LOCAL_REPOSITORY);
    return matrix;
  }

  /** A change that makes no difference: nothing is planned, and an apply interrupts nothing. */
  async ignore(row: QuietRow): Promise<void> {
    const before = await this.#probe.prepare(this.#draft);
    const draft = structuredClone(this.#draft);
    row.edit(draft, this.#places);
    await this.#sandbox.write({ ...draft });
    await this.#sandbox.expect(0, ["diff"]);
    await this.#sandbox.expect(0, ["apply"]);
    const { effect, what } = this.#probe.compare(before, await this.#probe.look(draft), draft);
    assert.equal(effect, "live", what);
    await this.#sandbox.write({ ...this.#draft });
    this.results.push({ row, said: `no difference: ${row.reason}`, interrupted: what });
  }

  /** A change that is made: what was interrupted is exactly what was said. */
  async make(row: MeasuredRow): Promise<void> {
    const before = await this.#probe.prepare(this.#draft);
    if (row.guest !== undefined) await this.#sandbox.inGuest("dev", row.guest);
    row.edit(this.#draft, this.#places);
    await this.#sandbox.write({ ...this.#draft });
    try {
      const plan = await this.#apply();
      const predicted = plan.changes.length === 0 ? "live" : plan.summary.worstEffect;
      if (row.dependsOnHost === undefined) {
        assert.notDeepEqual(plan.changes, []);
        assert.equal(predicted, effectOfSchema(row), JSON.stringify(plan));
      }
      const measured = this.#probe.compare(before, await this.#probe.look(this.#draft), this.#draft);
      assert.equal(measured.effect, predicted, `${JSON.stringify(plan)} interrupted ${measured.what}`);
      this.results.push({
        row,
        said: row.dependsOnHost ?? sayPlan(plan),
        interrupted: row.dependsOnHost === undefined ? measured.what : "what the plan says",
      });
    } catch (error) {
      // The rows after it are about other things: they start from a machine that is as its file says.
      await this.#sandbox.machine(["apply", ...ALLOWED]);
      throw error;
    }
  }

  /** Applies the file, and gives the plan that it began with. It ends well only when its last look finds no difference. */
  async #apply(): Promise<PlanJson> {
    const { out } = await this.#sandbox.expect(0, ["apply", "-o", "json", ...ALLOWED]);
    const events = out.trim().split("\n").map((line) =>
      JSON.parse(line) as { kind: string; plan?: PlanJson }
    );
    const plan = events.find(({ kind }) => kind === "plan")?.plan;
    assert.ok(plan, out);
    return plan;
  }
}

/** What a change costs is held against the schema: here everything is agreed to. */
const ALLOWED = ["--yes", "--allow", "recreate", "--allow", "data-loss"];

/** What `docker login localhost:5000` leaves behind. */
async function logIn({ dockerConfig }: Sandbox): Promise<void> {
  await Deno.mkdir(dockerConfig, { recursive: true });
  const auths = { "localhost:5000": { auth: btoa("ada:secret") } };
  await Deno.writeTextFile(`${dockerConfig}/config.json`, JSON.stringify({ auths }));
}

/** What the schema says of a row's key and case. */
function effectOfSchema({ key, which }: MeasuredRow): KeyEffect | undefined {
  const effect = FIELDS.find(({ path }) => path === key)?.effect;
  return typeof effect === "string" ? effect : effect?.[which ?? ""];
}

function subjectsOf(row: ChangeRow): string[] {
  return [nameOf(row), ...(row.kind === "measured" ? row.also ?? [] : []).map(nameOf)];
}

function nameOf({ key, which }: Pick<ChangeRow, "key" | "which">): string {
  return which === undefined ? key : `${key} ${which}`;
}
