import type { HostFacts } from "../host/system.ts";
import { type Declared, sortBy } from "./declared.ts";
import { withoutEndSlash } from "./host_path.ts";
import {
  declareFiles,
  declareSet,
  declareSteps,
  normalEnv,
  normalSet,
  normalSysctl,
  normalUser,
} from "./normal_guest.ts";
import { normalCni } from "./normal_cni.ts";
import {
  declareAuthorities,
  declaredCurrent,
  normalArtifacts,
  normalNetwork,
  normalRuntime,
} from "./normal_runtime.ts";
import { declareDisks, normalVm } from "./normal_vm.ts";
import type { Path } from "./path.ts";
import { type MachineFile, machineFile } from "./schema/machine.ts";
import type { Shape } from "./shape.ts";
import type { ExtraDisk, FileSpec, Machine, Mount, ProvisionStep } from "./types.ts";

/** Whose computer it is, and how paths of the file are made absolute. */
export interface NormalContext {
  readonly host: HostFacts;
  /** Resolves a path of the host that stands at a place of the file. */
  readonly resolve: (path: string, at: Path) => string;
}

/** A mount as an entry of the file gives it, and where that entry stands. */
export interface DeclaredMount {
  readonly mount: Mount;
  readonly type: MachineFileMount["type"];
  readonly path: Path;
  readonly isTargetGiven: boolean;
}

/** The machine that a file means, and the entries that its lists come from. */
export interface NormalForm {
  readonly machine: Machine;
  readonly declaredMounts: readonly DeclaredMount[];
  readonly declaredDisks: readonly Declared<ExtraDisk>[];
  readonly declaredFiles: readonly Declared<FileSpec>[];
  readonly declaredSteps: readonly Declared<ProvisionStep>[];
  readonly declaredPackages: readonly Declared<string>[];
  readonly declaredModules: readonly Declared<string>[];
  readonly declaredAuthorities: readonly Declared<string>[];
  /** What the file says of the current docker context; of several machines, one has it where none says so. */
  readonly declaredCurrent: boolean | undefined;
}

type MachineFileMount = NonNullable<MachineFile["mounts"]>[number];

/** Fills defaults and brings every value into its one form. What is not supported yet was refused before. */
export function normalForm(shape: Shape, context: NormalContext): NormalForm {
  const { file } = shape;
  const { host } = context;
  const declaredMounts = declareMounts(shape, context);
  const declaredDisks = declareDisks(shape);
  const declaredFiles = declareFiles(shape, context);
  const declaredSteps = declareSteps(shape);
  const declaredPackages = declareSet(shape, "packages.install");
  const declaredModules = declareSet(shape, "modules");
  const declaredAuthorities = declareAuthorities(shape, context);
  const machine: Machine = {
    name: file.name,
    protect: file.protect,
    vm: normalVm(file, host, declaredDisks.map(({ value }) => value)),
    user: normalUser(file, host),
    hostname: file.hostname ?? file.name,
    timezone: file.timezone === "host" ? host.timezone : file.timezone,
    mounts: sortMounts(declaredMounts.map((entry) => entry.mount)),
    env: normalEnv(file.env),
    packages: { install: normalSet(declaredPackages) },
    files: sortBy(declaredFiles.map(({ value }) => value), (it) => it.path),
    sysctl: normalSysctl(file.sysctl),
    modules: normalSet(declaredModules),
    network: normalNetwork(file, declaredAuthorities),
    runtime: normalRuntime(file, context),
    cni: normalCni(file),
    provision: declaredSteps.map(({ value }) => value),
    artifacts: normalArtifacts(file, context),
    ssh: file.ssh,
  };
  return {
    machine,
    declaredMounts,
    declaredDisks,
    declaredFiles,
    declaredSteps,
    declaredPackages,
    declaredModules,
    declaredAuthorities,
    declaredCurrent: declaredCurrent(file),
  };
}

function declareMounts(shape: Shape, context: NormalContext): DeclaredMount[] {
  const { mounts } = shape.file;
  if (mounts === undefined) return homeMount(context.host);
  return mounts.map((entry, index) => {
    const path = shape.originalPath(["mounts", index]);
    const source = context.resolve(entry.source, [...path, "source"]);
    return declareMount(entry, source, path);
  });
}

/** Without a word about mounts, the guest may read your home folder; root's is not handed out unasked. */
function homeMount(host: HostFacts): DeclaredMount[] {
  if (host.uid === 0) return [];
  const home = withoutEndSlash(host.home);
  return (machineFile.parse({ mounts: [{ source: home }] }).mounts ?? [])
    .map((entry) => declareMount(entry, home, ["mounts"]));
}

function declareMount(entry: MachineFileMount, source: string, path: Path): DeclaredMount {
  const options = Object.entries(entry.options).map(([key, value]): [string, string] => [key, String(value)]);
  return {
    mount: {
      source,
      target: entry.target === undefined ? source : withoutEndSlash(entry.target),
      type: "9p",
      writable: entry.writable,
      optional: entry.optional,
      options: Object.fromEntries(sortBy(options, ([key]) => key)),
    },
    type: entry.type,
    path,
    isTargetGiven: entry.target !== undefined,
  };
}

/** By target; entries that are the same in everything are one mount. */
function sortMounts(mounts: readonly Mount[]): readonly Mount[] {
  const distinct = new Map(mounts.map((mount) => [JSON.stringify(mount), mount]));
  return sortBy([...distinct.values()], (mount) => mount.target);
}
