import assert from "node:assert/strict";
import type { Json } from "../../lib/config/types.ts";
import { unitName } from "../../lib/resources/mount_units.ts";
import { type GuestEdit, type Happening, linesOf, SCENARIO_BASE, SCENARIOS } from "../scenarios.ts";
import type { SimGuest } from "./guest.ts";
import { NAME, Simulation } from "./simulation.ts";

for (const { name, steps } of SCENARIOS) {
  Deno.test(`a simulated machine goes the way of a real one: ${name}`, async () => {
    await using simulation = await Simulation.make();
    let keys: Readonly<Record<string, unknown>> = {};
    const load = () =>
      simulation.load({ ...SCENARIO_BASE, ...keys, name: NAME } as { readonly [key: string]: Json });
    await simulation.reach(await load());
    for (const { happens, plan } of steps) {
      if (happens.kind === "file") keys = happens.keys;
      else await letHappen(simulation, happens);
      const loaded = await load();
      assert.deepEqual(linesOf(await simulation.diff(loaded)), plan, `after ${JSON.stringify(happens)}`);
      await simulation.reach(loaded);
    }
    assert.deepEqual(linesOf(await simulation.diff(await load())), []);
  });
}

async function letHappen(
  simulation: Simulation,
  happens: Exclude<Happening, { kind: "file" }>,
): Promise<void> {
  if (happens.kind === "hand") return edit(simulation.host.guestOf(simulation.folder), happens.edit);
  if (happens.event === "stopped") await simulation.stop();
  else if (happens.event === "vm-killed") simulation.host.killVm(simulation.folder);
  else simulation.host.killAgent(simulation.folder);
}

function edit(guest: SimGuest, edit: GuestEdit): void {
  switch (edit.edit) {
    case "write": {
      const entry = guest.view.get(edit.path); // a shell that writes into a file leaves its mode and owner
      guest.put(edit.path, edit.content);
      const written = guest.view.get(edit.path);
      if (entry?.kind === "file" && written?.kind === "file") {
        guest.view.set(edit.path, { ...written, mode: entry.mode, owner: entry.owner });
      }
      return;
    }
    case "remove":
      return guest.view.delete(edit.path);
    case "mode": {
      const entry = guest.view.get(edit.path);
      if (entry?.kind === "file") guest.view.set(edit.path, { ...entry, mode: edit.mode.replace(/^0+/, "") });
      return;
    }
    case "parameter":
      return void guest.kernel.set(edit.key, edit.value);
    case "unload-module":
      return guest.kernel.unload(edit.name);
    case "hostname":
      guest.kernel.hostname = edit.name;
      return;
    case "unmount":
      return guest.systemd.stop(unitName(edit.target));
  }
}
