import type { GuestFacts } from "../guest/query.ts";
import { sha256 } from "../host/files.ts";
import type { Change, Observed } from "../plan/types.ts";
import { inGuest, type Kind, type World } from "./contract.ts";
import { OWNED_FILE, type OwnedFile, ownedOf } from "./owned.ts";

/** Where the data disk is mounted in the guest. */
const DATA = "/var/lib/machine/data";
const UNIT_FOLDER = "/etc/systemd/system";

/** The guest's folders that live on the data disk, so that a new system disk finds them again. */
export const DATA_FOLDERS = ["/home", "/var/lib/containerd", "/var/lib/docker"] as const;

/** Daemons that must not start on the system disk when the data disk is not there. */
const DAEMONS = ["containerd", "docker"] as const;

/** The units that put the data disk into its places. */
interface DataFolders {
  readonly files: readonly OwnedFile[];
  readonly units: readonly string[];
}

/** What is there of them: hashes of the unit files, and which units are active. */
interface FoundFolders {
  readonly hashes: Readonly<Record<string, string>>;
  readonly inactive: readonly string[];
}

/** The data disk inside the guest: mounted by UUID, its folders bound into place, daemons tied to it. */
export const foldersKind: Kind<DataFolders, FoundFolders> = {
  kind: "folders",
  phase: 9,
  realm: "guest",
  path: () => "vm.dataDisk",
  dependsOn: () => ["vm", "disk:data"],
  desired: (world) => {
    const folders = wantedFolders(world);
    return new Map(folders ? [["folders", folders]] : []);
  },
  query: (world) => {
    const folders = wantedFolders(world);
    const files = folders?.files.map(({ path }) => path) ?? [];
    return { files: [OWNED_FILE, ...files], units: folders?.units ?? [] };
  },
  observe(_world, look, desired) {
    const wanted = desired.get("folders");
    const observed = inGuest(look, (facts) => wanted ? observeFolders(wanted, facts) : observeLeft(facts));
    return Promise.resolve(new Map<string, Observed<FoundFolders>>([["folders", observed]]));
  },
  compare(desired, observed) {
    const changes: Change[] = [];
    for (const file of desired.files) {
      if (observed.hashes[file.path] === sha256(file.content)) continue;
      changes.push({ path: file.path, before: "another content", after: "ours", effect: "live" });
    }
    for (const unit of observed.inactive) {
      changes.push({ path: unit, before: "inactive", after: "active", effect: "live" });
    }
    return changes;
  },
  creation: () => ({ effect: "live", reason: "homes, images and volumes live on the data disk" }),
  async apply(job, desired) {
    const targets = desired.units.slice(1);
    await job.owned.run({
      what: "Mounting the data disk",
      files: desired.files,
      after: [
        `systemctl enable -q --no-reload ${desired.units.join(" ")}`,
        "systemctl daemon-reload",
        `systemctl start ${desired.units[0]}`,
        ...DATA_FOLDERS.map((folder) => `mkdir -p ${DATA}${folder} ${folder}`),
        `chmod 0710 ${DATA}/var/lib/docker`,
        `systemctl start ${targets.join(" ")}`,
      ],
      signal: job.signal,
    });
  },
  // Nothing is unmounted, which would pull the ground from under running containers: it ends with this boot. But the
  // next one must not wait for a disk that is gone, nor the daemons need it.
  async undo(job) {
    const { files, units } = foldersOn("");
    await job.owned.run({
      what: "Forgetting the data disk",
      before: units.map((unit) =>
        `[ ! -e ${UNIT_FOLDER}/${unit} ] || systemctl disable -q --no-reload ${unit}`
      ),
      removed: files.map(({ path }) => path),
      after: ["systemctl daemon-reload"],
      signal: job.signal,
    });
  },
};

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
    content: `[Unit]\nRequiresMountsFor=/var/lib/containerd /var/lib/docker\n`,
    mode: "0644",
  }));
  return { files: [...mounts, ...dropIns], units: [DATA, ...DATA_FOLDERS].map(unit) };
}

/** A mount unit (systemd.mount(5)); without `nofail`, so that nothing runs beside a missing disk. */
function mountUnit(where: string, lines: readonly string[], needs?: string): OwnedFile {
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
  const owned = facts.file(OWNED_FILE);
  if (owned.state === "unknown") return owned;
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
