import type { CertificateFiles } from "./certificates.ts";

/** A machine file that the rows of the matrix edit, as far as they do. */
export interface Draft {
  apiVersion: string;
  name: string;
  protect?: boolean;
  hostname?: string;
  timezone?: string;
  vm: {
    arch?: string;
    accel?: string;
    cpus: number;
    memory: string;
    cpu?: string;
    image?: { name?: string; source?: string };
    disk: string;
    dataDisk: string;
    disks: { name: string; size: string; target: string }[];
  };
  user: { name: string; uid: number; shell?: string; sudo?: boolean };
  mounts: {
    source: string;
    target: string;
    type?: string;
    writable?: boolean;
    optional?: boolean;
    options?: Record<string, string>;
  }[];
  env: Record<string, string>;
  packages: { install: string[] };
  files: { path: string; content?: string; source?: string; owner?: string; mode?: string }[];
  sysctl: Record<string, number | string>;
  modules: string[];
  network: {
    proxy: { inherit?: boolean; http?: string; https?: string; except?: string[] };
    caCerts: { host?: boolean; files?: string[] };
  };
  runtime: {
    engine: "docker" | "containerd" | "none";
    registries?: Record<string, DraftRegistry>;
    docker: { daemon: Record<string, unknown>; context: { name?: string; current?: boolean } };
    containerd?: {
      cri?: boolean;
      snapshotter?: string;
      nerdctl?: boolean;
      config?: Record<string, unknown>;
    };
  };
  cni?: { network: string | { conflist: Record<string, unknown> } };
  provision: { name: string; run: string; check?: string; as?: string; when?: string }[];
  artifacts?: { mirror?: string; offline?: boolean };
  ssh: { port?: number; agent?: boolean; config?: boolean };
}

interface DraftRegistry {
  mirrors?: string[];
  insecure?: boolean;
  certificates?: { ca?: string; cert?: string; key?: string };
  credentials?: string;
}

/** Where rows find folders of the host. */
export interface Places {
  /** A folder of the host with files in it. */
  readonly folder: (name: string) => string;
  /** A port of the host that is free. */
  readonly port: number;
  /** Certificates in PEM files, with their key. */
  readonly certificates: CertificateFiles;
}

/** What one row is about: a key of the format, and the case where its effect depends on the change. */
interface Subject {
  readonly key: string;
  readonly which?: string;
}

/** A change that has to interrupt exactly what its plan says. */
export interface MeasuredRow extends Subject {
  readonly kind: "measured";
  readonly change: string;
  /** A change made in the guest first, as root: what stands there then differs. */
  readonly guest?: string;
  readonly edit: (draft: Draft, places: Places) => void;
  /** Further cases that the same change is an example of. */
  readonly also?: readonly Subject[];
  /** The effect that is right where it is not the key's own, because of what this computer is. */
  readonly dependsOnHost?: string;
}

/** A change of a key that makes no difference, and why. */
export interface QuietRow extends Subject {
  readonly kind: "quiet";
  readonly change: string;
  readonly edit: (draft: Draft, places: Places) => void;
  readonly reason: string;
}

/** A key that no change can be made of by itself, and why. */
export interface NamedRow extends Subject {
  readonly kind: "named";
  readonly reason: string;
}

export type ChangeRow = MeasuredRow | QuietRow | NamedRow;

/** What a {@link MeasuredRow} may have beside its change. */
type Extra = Pick<MeasuredRow, "guest" | "also" | "dependsOnHost">;

/** Makes the row of a change; `key` may carry its case after a blank: `vm.disk grow`. */
export function measured(
  key: string,
  change: string,
  edit: MeasuredRow["edit"],
  extra: Extra = {},
): MeasuredRow {
  return { kind: "measured", ...subject(key), change, edit, ...extra };
}

/** Makes the row of a change that makes no difference. */
export function quiet(
  key: string,
  change: string,
  { edit, reason }: Pick<QuietRow, "edit" | "reason">,
): QuietRow {
  return { kind: "quiet", ...subject(key), change, edit, reason };
}

/** Makes the row of a key that cannot be changed by itself. */
export function named(key: string, reason: string): NamedRow {
  return { kind: "named", ...subject(key), reason };
}

/** Reads `key` or `key case`. */
export function subject(text: string): Subject {
  const [key, which] = text.split(" ");
  return { key: key!, ...(which === undefined ? {} : { which }) };
}
