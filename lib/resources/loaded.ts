import type { GuestFile, GuestUnit } from "../guest/query.ts";

/** What a daemon was seen to load in one run, kept in the guest's list. */
export interface LoadedBy {
  /** systemd's id of the run of the service; another one means that it was started anew. */
  readonly invocationId: string;
}

/** A daemon and the file that it reads when it starts. */
export interface DaemonFile<L extends LoadedBy> {
  readonly unit: GuestUnit;
  /** What was noted when we started it. */
  readonly loaded: L | undefined;
  readonly file: Pick<GuestFile, "mtimeMs"> | undefined;
}

/**
 * What a running daemon has read. Equal is not in force: of a run that we started it is noted what it read; any other
 * run has read the file as it is, unless that is newer than its start. `"file"`: what stands there; `undefined`: that
 * cannot be told.
 */
export function readBy<L extends LoadedBy>(
  { unit, loaded, file }: DaemonFile<L>,
): L | "file" | undefined {
  if (unit.activeState !== "active") return "file"; // what it will read
  if (loaded !== undefined && loaded.invocationId === unit.invocationId) return loaded;
  return file !== undefined && file.mtimeMs > unit.startedMs ? undefined : "file";
}
