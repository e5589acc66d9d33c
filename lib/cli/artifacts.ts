import { resolve } from "node:path";
import {
  type Arch,
  artifactNamed,
  CATALOGUE,
  neededBy,
  type Release,
  releaseOf,
} from "../artifacts/catalogue.ts";
import { addToMirror, type CachedRelease, fetchRelease } from "../artifacts/fetch.ts";
import { mirrorName, mirrorOf, type MirrorSettings } from "../artifacts/mirror.ts";
import { isCached, type Verified, verifyCache, verifyFolder } from "../artifacts/verify.ts";
import { EXIT, UserError } from "../host/errors.ts";
import { cacheDir, displayPath } from "../host/paths.ts";
import { releasesText, verifiedText } from "../ui/artifacts_text.ts";
import { dataText } from "../ui/data_text.ts";
import { showProgress } from "../ui/progress.ts";
import type { ArtifactsCommand } from "./command.ts";
import { type Context, styleOf } from "./context.ts";
import { loadTargets } from "./target.ts";

/** `machine artifacts`: what machines download, before they need it. */
export async function runArtifacts(command: ArtifactsCommand, context: Context): Promise<number> {
  switch (command.task) {
    case "list":
      return await list(command, context);
    case "fetch":
      return await fetchAll(command, context);
    case "verify":
      return await verify(command, context);
  }
}

/** A release, where it comes from, and whether a machine of the file needs it. */
interface Known {
  readonly release: Release;
  readonly settings: MirrorSettings;
  readonly isNeeded: boolean;
}

/** Every release for the machines of the file, each once; without any file those for this computer. */
async function knownReleases(command: ArtifactsCommand, context: Context): Promise<readonly Known[]> {
  const known = new Map<string, Known>();
  const add = (release: Release, settings: MirrorSettings, isNeeded: boolean) => {
    const key = JSON.stringify([mirrorName(mirrorOf(settings)), release.path]);
    known.set(key, { release, settings, isNeeded: isNeeded || (known.get(key)?.isNeeded ?? false) });
  };
  for (const { arch, settings, needed } of await targets(command, context)) {
    for (const artifact of CATALOGUE.filter(({ arches }) => arches.includes(arch))) {
      const wanted = needed?.filter(({ name }) => name === artifact.name) ?? [];
      for (const release of wanted) add(release, settings, true);
      if (wanted.length === 0) add(releaseOf(artifact, { arch }), settings, needed === undefined);
    }
  }
  return [...known.values()];
}

interface Target {
  readonly arch: Arch;
  readonly settings: MirrorSettings;
  /** `undefined`: all of them, since no machine says which. */
  readonly needed: readonly Release[] | undefined;
}

async function targets(command: ArtifactsCommand, context: Context): Promise<readonly Target[]> {
  const { findDefaultFile } = await import("../config/load.ts");
  if (command.file === undefined && command.machine === undefined && await findDefaultFile() === undefined) {
    const { hostFacts } = await import("../host/system.ts");
    const settings: MirrorSettings = { mirror: "official", offline: false };
    return [{ arch: (await hostFacts()).arch, settings, needed: undefined }];
  }
  const { machines } = await loadTargets(command, context);
  return machines.map(({ machine }) => ({
    arch: machine.vm.arch,
    settings: machine.artifacts,
    needed: neededBy(machine),
  }));
}

async function list(command: ArtifactsCommand, context: Context): Promise<number> {
  const rows = await Promise.all((await knownReleases(command, context)).map(async (known) => ({
    ...known,
    isCached: await isCached(known.release, { settings: known.settings, cacheDir: cacheDir() }),
  })));
  if (command.output !== "text") {
    const artifacts = rows.map(({ release, settings, isNeeded, isCached }) => ({
      name: release.name,
      version: release.version,
      arch: release.arch,
      path: release.path,
      checksumPath: release.checksumPath,
      mirror: mirrorName(mirrorOf(settings)),
      cached: isCached,
      needed: isNeeded,
    }));
    context.out.write(dataText({ formatVersion: "1", artifacts }, command.output));
  } else {
    const shown = rows.map(({ release, isNeeded, isCached }) => ({ ...release, isNeeded, isCached }));
    context.out.write(releasesText(shown, styleOf(context.out, command, context)));
  }
  return EXIT.done;
}

async function fetchAll(command: ArtifactsCommand, context: Context): Promise<number> {
  for (const name of command.words) artifactNamed(name);
  const known = await knownReleases(command, context);
  const wanted = known.filter(({ release, isNeeded }) =>
    command.words.length === 0 ? isNeeded : command.words.includes(release.name)
  );
  if (wanted.length === 0 && !command.quiet) context.err.write("No artifact is needed\n");
  const folder = command.to === undefined ? undefined : resolve(context.cwd, command.to);
  const found = await withProgress(command, context, async (fetchOne) => {
    const all: (CachedRelease & { readonly copy: string | undefined })[] = [];
    for (const one of wanted) {
      const release = await fetchOne(one);
      all.push({ ...release, copy: folder === undefined ? undefined : await addToMirror(release, folder) });
    }
    return all;
  });
  if (command.output !== "text") {
    const artifacts = found.map((
      { release: { name, version, arch }, path, digest, sizeBytes, wasCached, copy },
    ) => ({
      name,
      version,
      arch,
      file: copy ?? path,
      digest,
      sizeBytes,
      wasCached,
    }));
    context.out.write(dataText({ formatVersion: "1", artifacts }, command.output));
  } else {
    for (const { path, copy } of found) context.out.write(`${displayPath(copy ?? path)}\n`);
  }
  return EXIT.done;
}

/** Shows how fetching goes, and ends it at the first Ctrl-C: what has come stays for the next time. */
async function withProgress<T>(
  command: ArtifactsCommand,
  context: Context,
  work: (fetchOne: (known: Known) => Promise<CachedRelease>) => Promise<T>,
): Promise<T> {
  const style = styleOf(context.err, command, context);
  const progress = showProgress({ stream: context.err, style, quiet: command.quiet });
  const interrupt = new AbortController();
  const release = context.onInterrupt(() => interrupt.abort(new DOMException("Interrupted", "AbortError")));
  try {
    return await work(async ({ release, settings }) => {
      const [address, startedMs] = [release.name, performance.now()];
      progress.handle({ kind: "step-start", address, action: "create", text: release.version });
      const found = await fetchRelease(release, {
        settings,
        cacheDir: cacheDir(),
        signal: interrupt.signal,
        onProgress: (text, fraction) =>
          progress.handle({
            kind: "progress",
            address,
            text,
            ...(fraction === undefined ? {} : { fraction }),
          }),
        onWait: (holder) => {
          const text = `waiting for ${holder ? `"${holder.command}"` : "another command"} to end`;
          progress.handle({ kind: "waiting", text });
        },
      });
      const past = found.wasCached ? "was in the cache" : "fetched";
      const ms = Math.round(performance.now() - startedMs);
      progress.handle({ kind: "step-done", address, action: "create", ms, past });
      return found;
    });
  } finally {
    release();
    progress.close();
  }
}

async function verify(command: ArtifactsCommand, context: Context): Promise<number> {
  const interrupt = new AbortController();
  const release = context.onInterrupt(() => interrupt.abort(new DOMException("Interrupted", "AbortError")));
  try {
    const [folder] = command.words;
    const found = folder === undefined
      ? await verifyCache(cacheDir(), interrupt.signal)
      : await verifyMirror(resolve(context.cwd, folder), interrupt.signal);
    showVerified(found, command, context);
    return found.every(({ state }) => state === "good") ? EXIT.done : EXIT.failed;
  } finally {
    release();
  }
}

/** What of all releases a folder holds. @throws UserError when it holds none */
async function verifyMirror(folder: string, signal: AbortSignal): Promise<readonly Verified[]> {
  const releases = CATALOGUE.flatMap((artifact) =>
    artifact.arches.map((arch) => releaseOf(artifact, { arch }))
  );
  const found = (await verifyFolder(folder, releases, signal)).filter(({ state }) => state !== "absent");
  if (found.length > 0) return found;
  throw new UserError(`${displayPath(folder)} holds no release that this version of machine takes`, {
    hint: "machine artifacts fetch --to FOLDER makes such a folder; machine artifacts list shows its layout",
  });
}

function showVerified(found: readonly Verified[], command: ArtifactsCommand, context: Context): void {
  if (command.output !== "text") {
    context.out.write(dataText({ formatVersion: "1", artifacts: found }, command.output));
    return;
  }
  const rows = found.map(({ path, state, mirror }) => ({ path, state, from: displayPath(mirror) }));
  context.out.write(verifiedText(rows, styleOf(context.out, command, context)));
  const bad = found.filter(({ state }) => state !== "good").length;
  if (bad > 0) {
    context.err.write(`${bad} of ${found.length} cannot be used: machine artifacts fetch brings them anew\n`);
  }
}
