import { join, normalize, resolve } from "node:path";
import type { HostFacts } from "../host/system.ts";
import { sortKeys } from "./json.ts";
import type { Path } from "./path.ts";
import type { Shape } from "./shape.ts";
import { type MachineFile, machineFile } from "./schema/machine.ts";
import { runtimeBlock } from "./schema/runtime.ts";
import { imageBlock } from "./schema/vm.ts";
import type { Json, Machine, Mount, Runtime, VmSettings } from "./types.ts";
import { defaultUser } from "./user.ts";

/** Whose computer it is, and where relative paths of the file start. */
export interface NormalContext {
  readonly host: HostFacts;
  readonly folder: string;
}

/** A mount as an entry of the file gives it, and where that entry stands. */
export interface DeclaredMount {
  readonly mount: Mount;
  readonly type: MachineFileMount["type"];
  readonly path: Path;
  readonly isTargetGiven: boolean;
}

/** The machine that a file means, and the entries that its mounts come from. */
export interface NormalForm {
  readonly machine: Machine;
  readonly declaredMounts: readonly DeclaredMount[];
}

type MachineFileMount = NonNullable<MachineFile["mounts"]>[number];

/** Fills defaults and brings every value into its one form. What is not supported yet was refused before. */
export function normalForm(shape: Shape, context: NormalContext): NormalForm {
  const { file } = shape;
  const { host } = context;
  const declaredMounts = (file.mounts ?? homeMount(host)).map((entry, index): DeclaredMount => ({
    mount: normalMount(entry, context),
    type: entry.type,
    path: file.mounts === undefined ? ["mounts"] : shape.originalPath(["mounts", index]),
    isTargetGiven: entry.target !== undefined,
  }));
  const machine: Machine = {
    name: file.name,
    protect: file.protect,
    vm: normalVm(file, host),
    user: defaultUser(host),
    hostname: file.hostname ?? file.name,
    mounts: sortMounts(declaredMounts.map((entry) => entry.mount)),
    runtime: normalRuntime(file),
    ssh: file.ssh,
  };
  return { machine, declaredMounts };
}

/** Without a word about mounts, the guest may read your home folder; root's is not handed out unasked. */
function homeMount(host: HostFacts): readonly MachineFileMount[] {
  if (host.uid === 0) return [];
  return machineFile.parse({ mounts: [{ source: host.home }] }).mounts ?? [];
}

function normalVm({ vm }: MachineFile, host: HostFacts): VmSettings {
  const image = typeof vm.image === "string" ? imageBlock.parse({ name: vm.image }) : vm.image;
  return {
    arch: vm.arch === "host" ? host.arch : vm.arch,
    accel: vm.accel,
    cpus: vm.cpus ?? Math.min(4, host.cpus),
    memoryMiB: vm.memory ?? Math.min(4096, Math.floor(host.memoryMiB / 2)),
    cpu: vm.cpu,
    image: { name: "debian-13", source: image.source === "build" ? "build" : "auto" },
    diskMiB: vm.disk,
    dataDiskMiB: vm.dataDisk === "none" ? undefined : vm.dataDisk,
  };
}

function normalMount(entry: MachineFileMount, context: NormalContext): Mount {
  const source = hostPath(entry.source, context);
  const options = Object.entries(entry.options).map(([key, value]): [string, string] => [key, String(value)]);
  return {
    source,
    target: entry.target === undefined ? source : withoutEndSlash(entry.target),
    type: "9p",
    writable: entry.writable,
    optional: entry.optional,
    options: Object.fromEntries(options.toSorted(([a], [b]) => a < b ? -1 : 1)),
  };
}

/** A path of the host, absolute: `~` is the home folder, relative ones start at the file's folder. */
function hostPath(path: string, context: NormalContext): string {
  if (path === "~") return withoutEndSlash(normalize(context.host.home));
  if (path.startsWith("~/")) return withoutEndSlash(join(context.host.home, path.slice(2)));
  return resolve(context.folder, path);
}

function withoutEndSlash(path: string): string {
  return path.length > 1 ? path.replace(/\/+$/, "") || "/" : path;
}

/** By target; entries that are the same in everything are one mount. */
function sortMounts(mounts: readonly Mount[]): readonly Mount[] {
  const distinct = new Map(mounts.map((mount) => [JSON.stringify(mount), mount]));
  return [...distinct.values()].toSorted((a, b) => a.target < b.target ? -1 : a.target > b.target ? 1 : 0);
}

function normalRuntime(file: MachineFile): Runtime {
  const block = typeof file.runtime === "string"
    ? runtimeBlock.parse({ engine: file.runtime })
    : file.runtime;
  const { daemon, context } = block.docker;
  const sorted = Object.entries(daemon).toSorted(([a], [b]) => a < b ? -1 : 1);
  return {
    engine: "docker",
    docker: {
      daemon: Object.fromEntries(sorted.map(([key, value]): [string, Json] => [key, sortKeys(value)])),
      context: { name: context.name ?? `machine-${file.name}`, current: context.current },
    },
  };
}
