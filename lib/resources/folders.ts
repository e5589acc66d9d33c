import { effectOf } from "../config/effects.ts";
import type { GuestFileContent } from "../guest/ops.ts";
import type { GuestFacts } from "../guest/query.ts";
import { sha256 } from "../host/files.ts";
import type { Observed } from "../plan/types.ts";
import { Differences } from "./change.ts";
import type { World } from "./contract.ts";
import { guestKind } from "./guest_kind.ts";
import { ownedOf } from "./owned.ts";

/** Where the data disk is mounted in the guest. */
const DATA = "/var/lib/machine/data";
const UNIT_FOLDER = "/etc/systemd/system";

/** The guest's folders that live on the data disk, so that a new system disk finds them again. */
export const DATA_FOLDERS = [
  "/home",
  ...["buildkit", "cni", "containerd", "docker", "nerdctl"].map((name) => `/var/lib/${name}`),
] as const;

/** What engines and their containers need of it; BuildKit says so itself. */
const ENGINE_FOLDERS = [
  "/var/lib/cni",
  "/var/lib/containerd",
  "/var/lib/docker",
  "/var/lib/nerdctl",
] as const;

/** Daemons that must not start on the system disk when the data disk is not there. */
const DAEMONS = ["containerd", "docker"] as const;

/** A unit file. */
type TextFile = GuestFileContent & { readonly content: string };

/** The units that put the data disk into its places. */
interface DataFolders {
  readonly files: readonly TextFile[];
  readonly units: readonly string[];
}

/** What is there of them: hashes of the unit files, and which units are active. */
interface FoundFolders {
  readonly hashes: Readonly<Record<string, string>>;
  readonly inactive: readonly string[];
}

/** The data disk inside the guest: mounted by UUID, its folders bound into place, daemons tied to it. */
export const foldersKind = guestKind<DataFolders, FoundFolders>({
  kind: "folders",
  phase: 9,
  path: () => "vm.dataDisk",
  dependsOn: () => ["vm", "disk:data"],
  desired: (world) => {
    const folders = wantedFolders(world);
    return new Map(folders ? [["folders", folders]] : []);
  },
  query: (world) => {
    const folders = wantedFolders(world);
    return { hashes: folders?.files.map(({ path }) => path) ?? [], units: folders?.units ?? [] };
  },
  read: ({ facts }, wanted) => wanted ? observeFolders(wanted, facts) : observeLeft(facts),
  compare(desired, observed) {
    const found = new Differences();
    for (const file of desired.files) {
      if (observed.hashes[file.path] === sha256(file.content)) continue;
      found.add(file.path, "another content", "ours", { key: "folders", isTold: true });
    }
    for (const unit of observed.inactive) {
      found.add(unit, "inactive", "active", { key: "folders", isTold: true });
    }
    return found.changes;
  },
  expected: ({ files }) => ({
    hashes: Object.fromEntries(files.map(({ path, content }) => [path, sha256(content)])),
    inactive: [],
  }),
  creation: () => ({
    effect: effectOf("folders"),
    reason: "homes, images and volumes live on the data disk",
  }),
  change(desired) {
    const [data = "", ...targets] = desired.units;
    return {
      what: "Mounting the data disk",
      claimed: { folders: true },
      ops: [
        ...desired.files.map((file) => ({ op: "own", file }) as const),
        { op: "systemctl", args: ["enable", "-q", "--no-reload", ...desired.units] },
        { op: "systemctl", args: ["daemon-reload"] },
        { op: "systemctl", args: ["start", data], journal: data },
        ...DATA_FOLDERS.flatMap((folder) => [
          { op: "make-folder", path: `${DATA}${folder}` } as const,
          { op: "make-folder", path: folder } as const,
        ]),
        { op: "make-folder", path: `${DATA}/var/lib/docker`, mode: "0710" },
        { op: "systemctl", args: ["start", ...targets] },
      ],
    };
  },
  // Nothing is unmounted, which would pull the ground from under running containers: it ends with this boot. But the
  // next one must not wait for a disk that is gone, nor the daemons need it.
  undoing() {
    const { files, units } = foldersOn("");
    return {
      what: "Forgetting the data disk",
      ops: [
        ...units.map((unit) => ({ op: "retire-unit", unit, keepRunning: true }) as const),
        ...files.map(({ path }) => ({ op: "disown", path }) as const),
        { op: "systemctl", args: ["daemon-reload"] },
      ],
      forgotten: ["folders"],
    };
  },
});

function wantedFolders(world: World): DataFolders | undefined {
  if (world.machine?.vm.dataDiskMiB === undefined) return undefined;
  return foldersOn(world.record?.dataDiskUuid ?? "");
}

function foldersOn(uuid: string): DataFolders {
  const unit = (path: string) => `${path.slice(1).replaceAll("/", "-")}.mount`;
  const mounts = [
    mountUnit(DATA, [
      `What=/dev/disk/by-uuid/${uuid}`,
      "Type=ext4",
      "Options=noatime,discard,commit=1",
    ]),
    ...DATA_FOLDERS.map((folder) =>
      mountUnit(folder, [`What=${DATA}${folder}`, "Type=none", "Options=bind"], DATA)
    ),
  ];
  const dropIns = DAEMONS.map((daemon) => ({
    path: `${UNIT_FOLDER}/${daemon}.service.d/machine.conf`,
    content: `[Unit]\nRequiresMountsFor=${ENGINE_FOLDERS.join(" ")}\n`,
    mode: "0644",
  }));
  return { files: [...mounts, ...dropIns], units: [DATA, ...DATA_FOLDERS].map(unit) };
}

/** A mount unit (systemd.mount(5)); without `nofail`, so that nothing runs beside a missing disk. */
function mountUnit(where: string, lines: readonly string[], needs?: string): TextFile {
  return {
    path: `${UNIT_FOLDER}/${where.slice(1).replaceAll("/", "-")}.mount`,
    content: [
      "[Unit]",
      "Description=machine: " + where,
      ...(needs ? [`RequiresMountsFor=${needs}`] : []),
      "[Mount]",
      `Where=${where}`,
      ...lines,
      "[Install]",
      "WantedBy=local-fs.target",
      "",
    ].join("\n"),
    mode: "0644",
  };
}

/** What a machine without a data disk has left of one that it had. */
function observeLeft(facts: GuestFacts): Observed<FoundFolders> {
  const { files } = ownedOf(facts);
  if (!foldersOn("").files.some(({ path }) => path in files)) return { state: "absent" };
  return { state: "present", owned: true, value: { hashes: {}, inactive: [] } };
}

function observeFolders(wanted: DataFolders, facts: GuestFacts): Observed<FoundFolders> {
  const hashes: Record<string, string> = {};
  for (const { path } of wanted.files) {
    const fact = facts.file(path);
    if (fact.state === "unknown") return fact;
    if (fact.state === "present") hashes[path] = fact.value.sha256;
  }
  if (Object.keys(hashes).length === 0) return { state: "absent" };
  const inactive: string[] = [];
  for (const name of wanted.units) {
    const fact = facts.unit(name);
    if (fact.state === "unknown") return fact;
    if (fact.state === "absent" || fact.value.activeState !== "active") inactive.push(name);
  }
  return { state: "present", owned: true, value: { hashes, inactive } };
}
