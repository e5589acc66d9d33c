import { stringify } from "smol-toml";
import type { Release } from "../../artifacts/catalogue.ts";
import type { Machine, Registry } from "../../config/types.ts";
import type { GuestFileContent } from "../../guest/ops.ts";
import { certificatePath, CONTAINERD_CERTS } from "../registry_files.ts";
import type { Program } from "../release_programs.ts";

const PROGRAM_NAMES = ["buildctl", "buildkitd", "nerdctl"] as const;

/** Where the programs stand. */
export const PROGRAM_PATHS: readonly string[] = PROGRAM_NAMES.map(pathOf);

function pathOf(name: string): string {
  return `/usr/local/bin/${name}`;
}

/** The programs that are taken out of the release. */
export function programsOf(release: Release): readonly Program[] {
  return PROGRAM_NAMES.map((name) => ({ release, member: `bin/${name}`, path: pathOf(name) }));
}

/** nerdctl itself. */
export const NERDCTL = "/usr/local/bin/nerdctl";

export const BUILDKIT_UNIT = "buildkit.service";
const UNIT_FILE = `/etc/systemd/system/${BUILDKIT_UNIT}`;
const BUILDKIT_TOML = "/etc/buildkit/buildkitd.toml";
const NERDCTL_TOML = "/etc/nerdctl/nerdctl.toml";

/** The files that we write beside the programs. */
export const FILES: readonly string[] = [UNIT_FILE, BUILDKIT_TOML, NERDCTL_TOML];
/** Those of them, and of the programs, that buildkitd reads when it starts. */
export const READ_AT_START: readonly string[] = [UNIT_FILE, BUILDKIT_TOML];

/** A text file for the guest. */
export type TextFile = GuestFileContent & { readonly content: string };

/** What nerdctl and buildkitd are told. */
export function textFiles({ runtime: { containerd, registries } }: Machine): readonly TextFile[] {
  const head = "# Written by machine";
  const buildkit = {
    root: "/var/lib/buildkit",
    grpc: { address: ["unix:///run/buildkit/buildkitd.sock"] },
    worker: {
      oci: { enabled: false },
      // In nerdctl's own namespace a build can start from images that were made here, and needs no copying.
      containerd: { enabled: true, namespace: "default", snapshotter: containerd.snapshotter, gc: true },
    },
    ...registryTables(registries),
  };
  const nerdctl = {
    namespace: "default",
    snapshotter: containerd.snapshotter,
    "cni_path": "/usr/lib/cni",
    "hosts_dir": [CONTAINERD_CERTS],
  };
  const file = (path: string, content: string): TextFile => ({ path, content, mode: "0644" });
  return [
    file(UNIT_FILE, UNIT),
    file(BUILDKIT_TOML, `${head}: runtime.containerd and runtime.registries\n${stringify(buildkit)}`),
    file(NERDCTL_TOML, `${head}: runtime.containerd\n${stringify(nerdctl)}`),
  ];
}

/**
 * buildkitd says itself when it is ready (its main.go: SdNotifyReady), so that nothing builds before. It ends with 1
 * also when it was asked to end.
 */
const UNIT = `[Unit]
Description=BuildKit, for nerdctl build
After=containerd.service network-online.target
Wants=containerd.service
RequiresMountsFor=/var/lib/buildkit

[Service]
Type=notify
ExecStart=/usr/local/bin/buildkitd --config ${BUILDKIT_TOML}
Restart=always
RestartSec=2
SuccessExitStatus=1
LimitNOFILE=1048576

[Install]
WantedBy=multi-user.target
`;

/**
 * What buildkitd is told of registries: it reads none of containerd's files. A mirror is named without its scheme, and
 * has an entry of its own for that (BuildKit's docs/buildkitd.toml.md).
 */
function registryTables(registries: readonly Registry[]): { readonly registry?: Record<string, unknown> } {
  const tables: Record<string, Record<string, unknown>> = {};
  for (const { host, mirrors, insecure, certificates } of registries) {
    const at = (name: "ca" | "cert" | "key") => certificatePath(CONTAINERD_CERTS, host, name);
    const { ca, cert, key } = certificates;
    tables[host] = {
      ...tables[host],
      ...(mirrors.length === 0 ? {} : { mirrors: mirrors.map(withoutScheme) }),
      ...(insecure ? { http: true, insecure: true } : {}),
      ...(ca === undefined ? {} : { ca: [at("ca")] }),
      ...(cert === undefined || key === undefined ? {} : { keypair: [{ key: at("key"), cert: at("cert") }] }),
    };
    for (const mirror of mirrors) {
      const name = withoutScheme(mirror);
      if (mirror.startsWith("http:")) tables[name] = { ...tables[name], http: true };
    }
  }
  const said = Object.entries(tables).filter(([, table]) => Object.keys(table).length > 0);
  return said.length === 0 ? {} : { registry: Object.fromEntries(said) };
}

function withoutScheme(address: string): string {
  return address.replace(/^https?:\/\//, "");
}
