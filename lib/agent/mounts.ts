// @ts-types="@types/ssh2"
import type { SFTPWrapper } from "ssh2";
import { isAbort, messageOf } from "../host/errors.ts";
import { sleep, withDeadline } from "../host/clock.ts";
import { type FolderView, viewFolder } from "../host/folder_view.ts";
import type { SshConnection } from "../guest/ssh.ts";
import type { MountLook, WatchedMount } from "./api.ts";
import { viewGuestFolder } from "./guest_folder.ts";

/** Each name costs the guest an lstat through the mount, so of a larger folder only this many are compared. */
const MAX_NAMES = 512;
const TRIES = 3;
const PAUSE_MS = 50;
const MAX_TIMEOUT_MS = 5000;

/**
 * Compares mounted folders from both sides, over one sftp session per mount that stays open: no process is started
 * in the guest for it, and a mount that hangs holds up no other.
 */
export class MountLooker {
  readonly #guest: () => SshConnection | undefined;
  readonly #sessions = new Map<string, Session>();

  /** @param guest gives the connection to look over, while there is one */
  constructor(guest: () => SshConnection | undefined) {
    this.#guest = guest;
  }

  /** Opens the sessions beforehand, which costs a process each; a failure shows at the next look. */
  async warm(mounts: readonly WatchedMount[]): Promise<void> {
    for (const target of this.#sessions.keys()) {
      if (!mounts.some((mount) => mount.target === target)) await this.#drop(target);
    }
    await Promise.allSettled(mounts.map((mount) => this.#session(mount.target)));
  }

  /** Looks at all of them at the same time; never takes longer than 5 s. */
  async look(mounts: readonly WatchedMount[], timeoutMs: number): Promise<MountLook[]> {
    const limitMs = Math.min(timeoutMs, MAX_TIMEOUT_MS);
    return await Promise.all(mounts.map((mount) => this.#lookAt(mount, limitMs)));
  }

  async #lookAt(mount: WatchedMount, timeoutMs: number): Promise<MountLook> {
    const { target } = mount;
    try {
      const reason = await withDeadline(this.#compare(mount, timeoutMs), timeoutMs, `The mount ${target}`);
      return reason === undefined ? { target, state: "same" } : { target, state: "differs", reason };
    } catch (error) {
      // A session that did not answer may be stuck in the mount for good: the next look gets a new one.
      if (isAbort(error)) void this.#drop(target);
      return { target, state: "unknown", reason: messageOf(error) };
    }
  }

  /** Why the sides differ; `undefined` when they are equal. A folder that changes meanwhile gets a second chance. */
  async #compare(mount: WatchedMount, timeoutMs: number): Promise<string | undefined> {
    const deadline = performance.now() + timeoutMs;
    let reason: string | undefined;
    for (let attempt = 1; attempt <= TRIES && performance.now() < deadline; attempt++) {
      if (attempt > 1) await sleep(PAUSE_MS);
      const [host, guest] = await Promise.all([
        viewFolder(mount.source),
        this.#session(mount.target).then((sftp) => viewGuestFolder(sftp, mount.target, MAX_NAMES)),
      ]);
      reason = difference(mount, host, guest);
      if (reason === undefined) return undefined;
    }
    return reason;
  }

  async #session(target: string): Promise<SFTPWrapper> {
    const connection = this.#guest();
    if (connection === undefined) throw new Error("There is no connection to the guest");
    const known = this.#sessions.get(target);
    if (known?.connection === connection) return await known.sftp;
    const sftp = connection.sftp();
    const session: Session = { connection, sftp };
    this.#sessions.set(target, session);
    const forget = () => {
      if (this.#sessions.get(target) === session) this.#sessions.delete(target);
    };
    sftp.then((open) => open.on("close", forget), forget);
    return await sftp;
  }

  async #drop(target: string): Promise<void> {
    const session = this.#sessions.get(target);
    this.#sessions.delete(target);
    const [opened] = await Promise.allSettled([session?.sftp]);
    if (opened.status === "fulfilled") opened.value?.end();
  }
}

interface Session {
  readonly connection: SshConnection;
  readonly sftp: Promise<SFTPWrapper>;
}

/**
 * Why a mount does not show the host's folder. Names that are no UTF-8 are left out: the two sides spell them
 * differently.
 */
export function difference(
  mount: WatchedMount,
  host: FolderView | undefined,
  guest: FolderView | undefined,
): string | undefined {
  if (host === undefined) return `The host's folder ${mount.source} does not exist`;
  if (guest === undefined) return `The guest has no folder ${mount.target}`;
  const onHost = new Set(host.names.filter(isText));
  const inGuest = guest.names.filter(isText);
  const strange = inGuest.find((name) => !onHost.has(name));
  if (strange !== undefined) return `The guest sees "${strange}", which the host's folder does not hold`;
  const complete = guest.names.length < MAX_NAMES;
  if (complete && inGuest.length < onHost.size) {
    const seen = new Set(inGuest);
    const missing = [...onHost].find((name) => !seen.has(name));
    return `The guest does not see "${missing}", which the host's folder holds`;
  }
  if (host.mtimeSeconds !== guest.mtimeSeconds) {
    return `The folder's time of change differs: ${host.mtimeSeconds} on the host, ${guest.mtimeSeconds} in the guest`;
  }
  return undefined;
}

function isText(name: string): boolean {
  return !name.includes("\ufffd");
}
