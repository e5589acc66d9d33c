/** A file to be in the guest as a whole. */
export interface GuestFileContent {
  readonly path: string;
  readonly content: string | Uint8Array;
  /** Octal, e.g. "0644". */
  readonly mode: string;
  /** `user:group`; root's when left out. */
  readonly owner?: string;
}

/** A file of the host on its way into the guest, however large. */
export interface ArrivingFile {
  /** Its path on the host. */
  readonly source: string;
  /** Tells it from others that arrive: a file name. */
  readonly name: string;
  /** SHA-256 in hex. */
  readonly digest: string;
}

/** Where files arrive in the guest before they are moved to their places. */
export const ARRIVALS = "/var/lib/machine/arrivals";

/** A login of the guest. */
export interface GuestLogin {
  readonly name: string;
  readonly uid: number;
  readonly shell: string;
  readonly home: string;
}

/**
 * One thing done in the guest. Resources say what is to be done in these words; `opsScript()` says how a shell does
 * it, and the simulated guest of the tests does it in memory.
 */
export type GuestOp =
  /** Replaces files as a whole, each by a rename; folders above them that are missing are made and remembered. */
  | { readonly op: "write"; readonly files: readonly GuestFileContent[] }
  /** Moves a file that has arrived to its place, as root's; folders above it that are missing are made and remembered. */
  | { readonly op: "move-in"; readonly name: string; readonly path: string; readonly mode: string }
  /** Keeps what stands at a path, once, for the day when ours goes. */
  | { readonly op: "keep"; readonly path: string }
  /** What was kept comes back; without it the path becomes absent, and so do empty folders made for it. */
  | { readonly op: "put-back"; readonly path: string }
  /** Forgets what was kept of a path, once it is back. */
  | { readonly op: "drop-kept"; readonly path: string }
  | { readonly op: "remove"; readonly path: string }
  /** Makes a folder; with `remember` it is known to be ours when it was not there. */
  | { readonly op: "make-folder"; readonly path: string; readonly mode?: string; readonly remember?: true }
  /** Removes a folder that was made by `remember`, if it is empty. */
  | { readonly op: "remove-folder"; readonly path: string }
  /** systemctl with arguments; `journal` shows that unit's last words when it fails, `lenient` lets it fail. */
  | {
    readonly op: "systemctl";
    readonly args: readonly string[];
    readonly journal?: string;
    readonly lenient?: true;
  }
  /** Disables a unit if systemd knows it, and stops it. */
  | { readonly op: "retire-unit"; readonly unit: string; readonly keepRunning?: true }
  /** Makes units start at boot by a target's wants, without systemctl's slow way over SysV scripts. */
  | { readonly op: "want-units"; readonly target: string; readonly units: readonly string[] }
  | { readonly op: "hostname"; readonly name: string }
  | { readonly op: "timezone"; readonly zone: string }
  /** Makes a login, or brings one of that name to this; its processes end when its number changes. */
  | { readonly op: "login"; readonly login: GuestLogin }
  /** Removes a login, not its home. */
  | { readonly op: "remove-login"; readonly name: string }
  | { readonly op: "join-group"; readonly user: string; readonly group: string }
  /** Nothing happens where there is no such login, or it is not in the group. */
  | { readonly op: "leave-group"; readonly user: string; readonly group: string }
  /** Sets a kernel parameter; with `ifThere` it is no failure that the kernel has none of that name (any more). */
  | { readonly op: "set-sysctl"; readonly key: string; readonly value: string; readonly ifThere?: true }
  /** Prints where a module's file is; "(builtin)" for one that is part of the kernel (modinfo(8)). */
  | { readonly op: "find-module"; readonly name: string }
  | { readonly op: "load-module"; readonly name: string }
  /** Unloads a module unless something uses it. */
  | { readonly op: "unload-module"; readonly name: string }
  | { readonly op: "install-packages"; readonly names: readonly string[] }
  /** Lets apt say whether it could install packages. */
  | { readonly op: "check-packages"; readonly names: readonly string[] }
  /** Removes packages that nothing else needs, and what came only with them. */
  | { readonly op: "remove-packages"; readonly names: readonly string[] }
  /** Grows an ext4 filesystem to its disk, by the disk's serial number. */
  | { readonly op: "grow-filesystem"; readonly device: string }
  /** Runs commands of the user from a file, unless another file's succeed; the output goes to `log` and comes back. */
  | {
    readonly op: "run-file";
    readonly file: string;
    readonly log: string;
    readonly as: string | undefined;
    readonly unless?: string;
  }
  /** Runs a check of the user, and says when it fails. */
  | { readonly op: "run-check"; readonly file: string; readonly as: string | undefined }
  /** Makes what programs trust of the files of authorities, Debian's and those under /usr/local. */
  | { readonly op: "refresh-authorities" }
  /** Lets dockerd judge a configuration that is not in force. */
  | { readonly op: "check-dockerd"; readonly path: string }
  /** Lets containerd judge a configuration that is not in force. */
  | { readonly op: "check-containerd"; readonly path: string }
  /** Fails with containerd's own words when a plugin of it did not come up, by the plugin's short name. */
  | { readonly op: "check-plugin"; readonly id: string }
  /** Removes a network bridge that nothing is connected to; nothing when it is not there. */
  | { readonly op: "drop-bridge"; readonly name: string }
  /** Prints the namespaces of containerd, and what runs in them: `namespace NAME`, `task NAMESPACE ID [NAME]`. */
  | { readonly op: "list-tasks" }
  /** Gives back the restart policies that `end-tasks` has put to rest. */
  | { readonly op: "resume-tasks" }
  /**
   * Ends what containerd runs in one namespace, or in all but one: asks, waits, kills; nothing when containerd is down.
   * Its restart policies rest, so that it is not started again.
   */
  | { readonly op: "end-tasks"; readonly only?: string; readonly except?: string }
  /** Prints a unit's last words. */
  | { readonly op: "journal"; readonly unit: string }
  /** Prints the guest's time in seconds. */
  | { readonly op: "clock" };

/** How operations went: they end at the first that fails. */
export interface OpsResult {
  readonly ok: boolean;
  readonly code: number;
  /** What they said, both streams. */
  readonly output: string;
}

/** The file of the guest that remembers a folder made for something of ours. */
export const MADE_FOLDERS = "/var/lib/machine/made";

/** Folders above a path, the uppermost first, without the root. */
export function foldersAbove(path: string): string[] {
  const steps = path.split("/").slice(1, -1);
  return steps.map((_, index) => `/${steps.slice(0, index + 1).join("/")}`);
}
