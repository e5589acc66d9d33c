import { join } from "node:path";
import { UserError } from "../host/errors.ts";
import {
  readBytes,
  removeIfPresent,
  sha256File,
  statIfPresent,
  syncDir,
  writeAtomic,
} from "../host/files.ts";
import { listNames } from "../host/folders.ts";
import { runConfined } from "../host/confine.ts";
import { findProgram, type RunOptions, runOrThrow, tail } from "../host/process.ts";
import { readApt } from "./apt.ts";
import { IMAGE_FILE_NAMES, type ImageMeta } from "./cache.ts";
import { customizeScript, DPKG_OPTIONS, prepareScript } from "./customize.ts";
import { COMMAND_LINE } from "./files.ts";
import { extractKernel, unpackInitrd } from "./kernel.ts";
import { debianArch, imagePackages } from "./packages.ts";
import { followBuild, type OnProgress } from "./progress.ts";
import { imageKey, SIZE_MIB } from "./recipe.ts";
import { SUITE } from "./sources.ts";
import type { Recipe } from "./types.ts";

/** Programs that a build runs, and the package of each. */
const PROGRAMS = {
  mmdebstrap: "mmdebstrap",
  mke2fs: "e2fsprogs",
  "qemu-img": "qemu-utils",
  setpriv: "util-linux",
  unshare: "util-linux",
} as const;

/** Packages whose versions are recorded. */
const NOTED = ["containerd", "docker.io", "docker-cli", "openssh-server", "systemd"] as const;

/** What a build needs besides the recipe. */
export interface BuildOptions {
  readonly onProgress: OnProgress;
  readonly signal?: AbortSignal;
}

/**
 * Builds an image into an existing empty folder; needs no root (see {@link runConfined}).
 * @throws UserError with the end of the output of what failed
 */
export async function buildImage(recipe: Recipe, folder: string, options: BuildOptions): Promise<void> {
  const { onProgress, signal } = options;
  await checkHost();
  const tree = join(folder, "tree");
  const versions = await makeTree(recipe, tree, options);
  onProgress("Making the boot files", 0.85);
  await takeBootFiles(recipe, folder);
  onProgress("Writing the disk", 0.87);
  await makeDisk(folder, signal);
  onProgress("Checking the disk", 0.96);
  await writeMeta(recipe, folder, versions);
  await removeBuildTree(tree);
  await syncDir(folder);
}

/** Removes a tree whose files may belong to ids that only the build's user namespace can touch. */
export async function removeBuildTree(path: string): Promise<void> {
  await confined(["rm", "-rf", "--one-file-system", "--", path]);
}

async function checkHost(): Promise<void> {
  const missing = [];
  for (const [program, name] of Object.entries(PROGRAMS)) if (!await findProgram(program)) missing.push(name);
  if (missing.length > 0) {
    throw new UserError(`Cannot build the image: ${[...new Set(missing)].join(", ")} not installed`, {
      hint: "machine doctor --fix",
    });
  }
  const probe = await runConfined(["true"]);
  if (probe.code !== 0) {
    throw new UserError("Cannot build the image: this user may not make user namespaces", {
      hint:
        "Install uidmap and give yourself ids: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER",
      output: tail(probe.stderr, 5),
    });
  }
}

async function makeTree(
  recipe: Recipe,
  tree: string,
  options: BuildOptions,
): Promise<Record<string, string>> {
  const apt = await readApt(options.signal);
  const packages = imagePackages(recipe);
  const argv = [
    "mmdebstrap",
    "--verbose",
    "--mode=root",
    "--variant=minbase",
    "--format=directory",
    `--architectures=${debianArch(recipe.arch)}`,
    `--include=${packages.join(",")}`,
    ...apt.options.map((option) => `--aptopt=${option}`),
    ...DPKG_OPTIONS.map((option) => `--dpkgopt=${option}`),
    `--essential-hook=${prepareScript()}`,
    `--customize-hook=${customizeScript()}`,
    SUITE,
    tree,
    "-",
  ];
  await confined(argv, {
    ...withSignal(options.signal),
    stdin: apt.sources.map((line) => `${line}\n`).join(""),
    onLine: followBuild(options.onProgress),
  });
  return await installedVersions(tree);
}

async function takeBootFiles(recipe: Recipe, folder: string): Promise<void> {
  const boot = join(folder, "tree/boot");
  const names = await listNames(boot);
  const read = (start: string) => {
    const name = names.find((candidate) => candidate.startsWith(start));
    if (name === undefined) throw new UserError(`The image has no "${start}" in /boot`);
    return readWhole(join(boot, name));
  };
  const kernel = await read("vmlinuz-");
  const initrd = await read("initrd.img-");
  const start = recipe.arch === "x86_64" ? extractKernel(kernel) : kernel;
  await writeAtomic(join(folder, IMAGE_FILE_NAMES.kernel), start);
  await writeAtomic(join(folder, IMAGE_FILE_NAMES.initrd), unpackInitrd(initrd));
}

async function makeDisk(folder: string, signal: AbortSignal | undefined): Promise<void> {
  const tree = join(folder, "tree");
  const raw = join(folder, "disk.raw");
  const disk = join(folder, IMAGE_FILE_NAMES.disk);
  const limits = withSignal(signal);
  await confined(["mke2fs", "-q", "-t", "ext4", "-L", "machine", "-d", tree, raw, `${SIZE_MIB}M`], limits);
  await confined(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-W", raw, disk], limits);
  await removeIfPresent(raw);
}

async function writeMeta(recipe: Recipe, folder: string, versions: Record<string, string>): Promise<void> {
  const size = (part: "disk" | "kernel" | "initrd") => sizeOf(join(folder, IMAGE_FILE_NAMES[part]));
  const meta: ImageMeta = {
    formatVersion: 1,
    key: imageKey(recipe),
    name: recipe.name,
    arch: recipe.arch,
    digest: await sha256File(join(folder, IMAGE_FILE_NAMES.disk)),
    commandLine: COMMAND_LINE,
    sizeMiB: SIZE_MIB,
    builtAt: new Date().toISOString(),
    sizes: { disk: await size("disk"), kernel: await size("kernel"), initrd: await size("initrd") },
    packages: versions,
  };
  await writeAtomic(join(folder, IMAGE_FILE_NAMES.meta), `${JSON.stringify(meta, undefined, 2)}\n`);
}

async function installedVersions(tree: string): Promise<Record<string, string>> {
  const admin = `--admindir=${join(tree, "var/lib/dpkg")}`;
  const list = await runOrThrow(["dpkg-query", admin, "-W", "-f", "${Package} ${Version}\\n"]);
  const noted: readonly string[] = NOTED;
  const versions: Record<string, string> = {};
  for (const line of list.trim().split("\n")) {
    const [name = "", version = ""] = line.split(" ");
    if (noted.includes(name) || /^linux-image-\d/.test(name)) versions[name] = version;
  }
  return versions;
}

async function readWhole(path: string): Promise<Uint8Array> {
  return await readBytes(path, 0, await sizeOf(path));
}

async function sizeOf(path: string): Promise<number> {
  const info = await statIfPresent(path);
  if (info === undefined) throw new UserError(`The build left no ${path}`);
  return info.size;
}

/** Runs a program of the build that has to succeed. */
async function confined(argv: readonly string[], options: RunOptions = {}): Promise<void> {
  const result = await runConfined(argv, options);
  if (result.code === 0) return;
  throw new UserError(`Cannot build the image: ${argv[0]} failed with exit code ${result.code}`, {
    output: tail(`${result.stdout}${result.stderr}`, 20),
  });
}

function withSignal(signal: AbortSignal | undefined): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
