import type { Accel, Arch } from "../config/types.ts";

/** A VM as it is to run: everything that its process needs to know. */
export interface VmSpec {
  readonly name: string;
  readonly arch: Arch;
  readonly accel: Accel;
  /** QEMU's model with its options, e.g. `max,-cx16`. */
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryMiB: number;
  readonly mac: string;
  readonly disks: readonly VmDisk[];
  readonly shares: readonly VmShare[];
  readonly kernel: string;
  readonly initrd: string;
  readonly commandLine: string;
}

/** A disk of a VM. */
export interface VmDisk {
  /** `system`, `data`, or `disk-NAME` for a further one, which alone can be plugged and unplugged. */
  readonly id: string;
  readonly file: string;
  readonly format: "qcow2" | "raw";
}

/** A host folder offered by 9p under a tag. */
export interface VmShare {
  readonly tag: string;
  readonly source: string;
  readonly writable: boolean;
}

/** A forward from the host to the guest as QEMU keeps it. */
export interface VmForward {
  readonly protocol: "tcp" | "udp";
  readonly host: string;
  readonly hostPort: number;
  readonly guestPort: number;
}

/** What a look at the VM found. */
export type VmLook =
  | { readonly state: "stopped"; readonly crashed: boolean; readonly reason?: string }
  | { readonly state: "unknown"; readonly reason: string }
  | RunningVm;

/** A running VM as QEMU itself describes it. */
export interface RunningVm {
  readonly state: "running";
  readonly pid: number;
  /** QEMU's run state, e.g. `running`, `paused`, `internal-error`, `guest-panicked`. */
  readonly status: string;
  readonly qemuVersion: string;
  readonly accel: Accel;
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryMiB: number;
  readonly shares: readonly string[];
  /** Those whose device is there, by id: a block node without its device is no disk. */
  readonly disks: readonly { readonly id: string; readonly sizeMiB: number; readonly backing?: string }[];
  readonly forwards: readonly VmForward[];
}
