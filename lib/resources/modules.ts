import type { GuestControl } from "../guest/control.ts";
import { UserError } from "../host/errors.ts";
import { changeAt } from "./change.ts";
import { guestKind, idOf } from "./guest_kind.ts";

const KIND = "module";
const LOADED = "/proc/modules";

/** A kernel module as found. */
interface FoundModule {
  readonly loaded: boolean;
  readonly atBoot: boolean;
}

/** What is noted of a module when it is loaded. */
interface ModuleNote {
  /** Not ours to unload: it was in the kernel before us, loaded or built in. */
  readonly before: boolean;
  /** Part of the kernel itself, so that it is not listed among the loaded ones (modules.builtin). */
  readonly builtIn: boolean;
}

/** Kernel modules: loaded now, and at every boot (modules-load.d(5)). */
export const moduleKind = guestKind<string, FoundModule>({
  kind: KIND,
  phase: 8,
  path: (address) => `modules[${idOf(address)}]`,
  dependsOn: () => ["vm"],
  desired: ({ machine }) => new Map((machine?.modules ?? []).map((name) => [`${KIND}:${name}`, name])),
  query: (_world, addresses) =>
    addresses.length === 0
      ? {}
      : { files: [LOADED], hashes: addresses.map((address) => fileOf(idOf(address))) },
  read({ facts, address, note }) {
    const [modules, file] = [facts.file(LOADED), facts.file(fileOf(idOf(address)))];
    for (const fact of [modules, file]) if (fact.state === "unknown") return fact;
    const isListed = modules.state === "present" && isLoaded(modules.value.text, idOf(address));
    const isKnown = (note as ModuleNote | undefined)?.builtIn === true;
    if (!isListed && !isKnown && file.state === "absent" && note === undefined) return { state: "absent" };
    const value = { loaded: isListed || isKnown, atBoot: file.state === "present" };
    return { state: "present", owned: note !== undefined, value };
  },
  compare(desired, observed) {
    if (observed.loaded && observed.atBoot) return [];
    const before = observed.loaded
      ? "loaded until the next boot"
      : observed.atBoot
      ? "not loaded"
      : "missing";
    return [changeAt(`modules[${desired}]`, { before, after: "loaded" }, { key: "modules", isTold: true })];
  },
  expected: () => ({ loaded: true, atBoot: true }),
  async change(name, { step, guest, owned }) {
    const known = (await owned.read()).applied[step.address] as ModuleNote | undefined;
    const note = known ?? await describe(await guest(), name);
    return {
      what: `Loading the module ${name}`,
      claimed: { [step.address]: { ...note } },
      ops: [
        { op: "own", file: { path: fileOf(name), content: `${name}\n`, mode: "0644" } },
        { op: "load-module", name },
      ],
    };
  },
  async undoing({ step, owned }) {
    const name = idOf(step.address);
    const note = (await owned.read()).applied[step.address] as ModuleNote | undefined;
    return {
      what: `Leaving the module ${name} out`,
      ops: [
        { op: "disown", path: fileOf(name) },
        ...(note && !note.before && !note.builtIn ? [{ op: "unload-module", name } as const] : []),
      ],
      forgotten: [step.address],
    };
  },
});

async function describe(guest: GuestControl, name: string): Promise<ModuleNote> {
  const modules = (await guest.look({ files: [LOADED] })).file(LOADED);
  if (modules.state === "unknown") {
    throw new UserError(`The guest does not tell which modules are loaded: ${modules.reason}`);
  }
  const place = await guest.perform([{ op: "find-module", name }]);
  if (!place.ok) {
    throw new UserError(`The guest's kernel has no module "${name}"`, { output: place.output });
  }
  return {
    before: modules.state === "present" && isLoaded(modules.value.text, name),
    builtIn: place.output.trim() === "(builtin)",
  };
}

function fileOf(name: string): string {
  return `/etc/modules-load.d/machine-${name}.conf`;
}

/** The kernel writes "_" where a module's file may have "-" (modprobe(8)). */
function isLoaded(text: string, name: string): boolean {
  return text.split("\n").some((line) => line.split(" ")[0] === name.replaceAll("-", "_"));
}
