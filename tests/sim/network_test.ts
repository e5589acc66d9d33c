import assert from "node:assert/strict";
import { derBlocks, readCertificate } from "../../lib/host/certificates.ts";
import { OTHER, ROOT } from "../unit/certificates_fixture.ts";
import { linesOf, Simulation } from "./simulation.ts";

const NOTHING = { proxy: { inherit: false }, caCerts: { host: false } };
const PLAIN = { mounts: [], network: NOTHING };
const RICH = {
  mounts: [],
  env: { EDITOR: "vim" },
  network: { proxy: { http: "http://127.0.0.1:3128", except: [".corp.test"] }, caCerts: { host: true } },
};

/** A computer that trusts two authorities beyond its distribution's, with a machine that has nothing of it yet. */
async function simulate(): Promise<Simulation> {
  const simulation = await Simulation.make();
  simulation.host.authorities = [ROOT, OTHER].map((pem) =>
    readCertificate(derBlocks(new TextEncoder().encode(pem))[0]!)
  );
  await simulation.reach(await simulation.load(PLAIN));
  return simulation;
}

Deno.test("a proxy and authorities come and go without a trace, and the guest goes on", async () => {
  await using simulation = await simulate();
  const [plain, rich] = [await simulation.load(PLAIN), await simulation.load(RICH)];
  const [before, { boots }] = [simulation.state(), simulation.host.interruptions()];
  await simulation.reach(rich);
  assert.deepEqual(linesOf(await simulation.diff(rich)), []);
  assert.match(simulation.state().environment, /192\.168\.5\.2:3128/);
  await simulation.reach(plain);
  assert.deepEqual(simulation.state(), before);
  assert.equal(simulation.host.interruptions().boots, boots);
});

for (const [what, from, to] of [["coming", PLAIN, RICH], ["going", RICH, PLAIN]] as const) {
  Deno.test(`a proxy and authorities, ${what}: killed anywhere, the same command comes to the same end`, async () => {
    await using simulation = await simulate();
    const [start, goal] = [await simulation.load(from), await simulation.load(to)];
    await simulation.reach(start);
    const { trace } = await simulation.reach(goal);
    const end = simulation.state();
    for (let killAt = 0; killAt < trace.length; killAt++) {
      await simulation.reach(start);
      const course = await simulation.apply(goal, {}, { killAt });
      assert.ok(!course.ended);
      await simulation.reach(goal);
      assert.deepEqual(simulation.state(), end, `killed before ${trace[killAt]}`);
      assert.deepEqual(linesOf(await simulation.diff(goal)), []);
    }
  });
}

Deno.test("a proxy and authorities that were changed by hand are found and made good", async () => {
  await using simulation = await simulate();
  const rich = await simulation.load(RICH);
  await simulation.reach(rich);
  const end = simulation.state();
  const guest = simulation.host.guestOf(simulation.folder);
  const ours = [...guest.view.root.entries.keys()].filter((path) =>
    /machine-proxy|ca-certificates.*machine-|\/etc\/ssl\/certs\/ca-cert/.test(path) &&
    guest.view.get(path)?.kind === "file"
  );
  assert.equal(ours.length, 7, ours.join("\n"));
  for (const path of ours) {
    guest.view.delete(path);
    const lines = linesOf(await simulation.diff(rich));
    assert.ok(lines.length > 0 && lines.every((line) => / live /.test(line)), `${path}\n${lines.join("\n")}`);
    await simulation.reach(rich);
    assert.deepEqual(simulation.state(), end, path);
  }
  guest.put("/etc/environment", guest.text("/etc/environment")!.replace(/^http_proxy=.*\n/m, ""));
  assert.match(linesOf(await simulation.diff(rich)).join(), /^update proxy live.*network\.proxy\.http/);
  await simulation.reach(rich);
  assert.deepEqual(simulation.state(), end);
});
