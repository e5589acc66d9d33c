import type { HostFacts } from "../host/system.ts";
import { type Declared, declaredAt, sortBy } from "./declared.ts";
import type { NormalContext } from "./normal.ts";
import type { MachineFile } from "./schema/machine.ts";
import type { Shape } from "./shape.ts";
import type { FileSpec, GuestUser, ProvisionStep } from "./types.ts";
import { defaultUser } from "./user.ts";

/** The user that the file describes, with what it leaves open taken from whoever runs the command. */
export function normalUser({ user }: MachineFile, host: HostFacts): GuestUser {
  const usual = defaultUser(host);
  const name = user.name ?? usual.name;
  return {
    name,
    uid: user.uid ?? usual.uid,
    shell: user.shell,
    sudo: user.sudo,
    home: `/home/${name}.guest`,
  };
}

/** The files as the file declares them; their order has no meaning. */
export function declareFiles(shape: Shape, context: NormalContext): readonly Declared<FileSpec>[] {
  return shape.file.files.map((file, index) => {
    const declared = declaredAt(shape, ["files", index], undefined);
    const source = file.source === undefined
      ? {}
      : { source: context.resolve(file.source, [...declared.path, "source"]) };
    const value = {
      path: file.path,
      ...(file.content === undefined ? {} : { content: file.content }),
      ...source,
      owner: file.owner,
      // Three digits, four, or four behind a zero as C writes them
      mode: file.mode.slice(-4).padStart(4, "0"),
    };
    return { ...declared, value };
  });
}

/** The steps in the order of the file, which is the order of work. */
export function declareSteps(shape: Shape): readonly Declared<ProvisionStep>[] {
  return shape.file.provision.map((step, index) =>
    declaredAt(shape, ["provision", index], {
      name: step.name,
      run: step.run,
      ...(step.check === undefined ? {} : { check: step.check }),
      as: step.as,
      when: step.when,
    })
  );
}

/** The entries of a list whose order and repetition have no meaning. */
export function declareSet(shape: Shape, list: "packages.install" | "modules"): readonly Declared<string>[] {
  const path = list.split(".");
  const words = list === "modules" ? shape.file.modules.map(normalModule) : shape.file.packages.install;
  return words.map((word, index) => declaredAt(shape, [...path, index], word));
}

/** A set as a sorted list. */
export function normalSet(words: readonly Declared<string>[]): readonly string[] {
  return sortBy([...new Set(words.map(({ value }) => value))], (word) => word);
}

/** The kernel takes `-` in a module's name for `_` (modprobe(8)), and shows `_`. */
export function normalModule(name: string): string {
  return name.replaceAll("-", "_");
}

/** Kernel parameters by name; the kernel shows the numbers of a list with tabs between them. */
export function normalSysctl(sysctl: MachineFile["sysctl"]): Readonly<Record<string, string>> {
  const entries = Object.entries(sysctl).map(([key, value]): [string, string] => [
    key,
    String(value).trim().replaceAll(/\s+/g, " "),
  ]);
  return Object.fromEntries(sortBy(entries, ([key]) => key));
}

/** Variables by name. */
export function normalEnv(env: MachineFile["env"]): Readonly<Record<string, string>> {
  return Object.fromEntries(sortBy(Object.entries(env), ([key]) => key));
}
