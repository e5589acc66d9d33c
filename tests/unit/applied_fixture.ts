import type { AgentStatus } from "../../lib/agent/api.ts";
import { applyMachine } from "../../lib/apply/apply.ts";
import type { ApplyEvent } from "../../lib/apply/events.ts";
import type { ApplyOptions, Outcome } from "../../lib/apply/types.ts";
import { makeWorld } from "../../lib/apply/world.ts";
import type { Machine } from "../../lib/config/types.ts";
import type { GuestOp, OpsResult } from "../../lib/guest/ops.ts";
import type { GuestFacts } from "../../lib/guest/query.ts";
import { readText, sha256 } from "../../lib/host/files.ts";
import { type MachineFolder, machineFolder } from "../../lib/host/paths.ts";
import type { BaseImage } from "../../lib/image/types.ts";
import type { Effect } from "../../lib/plan/types.ts";
import { agentConfigText } from "../../lib/resources/agent.ts";
import { OWNED_FILE } from "../../lib/resources/owned.ts";
import type { Platform } from "../../lib/resources/platform.ts";
import { ensureIdentity } from "../../lib/resources/power.ts";
import { RecordStore } from "../../lib/resources/record.ts";
import { engineSocketOf } from "../../lib/resources/sockets.ts";
import { factsOf, guestOf, MACHINE, platformOf, RECORD, RUNNING } from "./resources_fixture.ts";

const ORIGIN = "/x/machine.yaml";

const BASE: BaseImage = {
  key: "k",
  name: "debian-13",
  arch: "x86_64",
  disk: "/cache/base.qcow2",
  digest: "d",
  kernel: "/cache/vmlinuz",
  initrd: "/cache/initrd",
  commandLine: "",
  sizeMiB: 1024,
  builtAt: "",
};

/** A machine with nothing but what every machine has. */
export const PLAIN_MACHINE: Machine = { ...MACHINE, vm: { ...MACHINE.vm, dataDiskMiB: undefined } };

/** What a test may change, as somebody else would. */
interface GuestState {
  hostname: string;
  memoryMiB: number;
  isUp: boolean;
  hasAgent: boolean;
  /** How often the VM was stopped. */
  stops: number;
  /** Versions by name; what is asked for and not in it is not installed. */
  packages: Record<string, string>;
  /** The guest's own list. */
  list: string | null;
}

/** A machine that was applied to its end and runs, on a platform whose guest has little more than a host name and packages. */
export interface AppliedMachine {
  readonly folder: MachineFolder;
  readonly platform: Platform;

  readonly state: GuestState;
  /** Answers operations that go wrong; gives nothing for those that go well. */
  readonly trouble: { of?: (ops: readonly GuestOp[]) => Partial<OpsResult> | undefined };
  readonly events: ApplyEvent[];
  /** What every operation takes. */
  options(): Pick<
    ApplyOptions,
    "platform" | "emit" | "stopSignal" | "abortSignal" | "lockTimeoutMs" | "command"
  >;
  apply(machine: Machine, more?: Partial<ApplyOptions>): Promise<Outcome>;
}

/** Makes one, within a home of its own, by an apply. */
export async function makeApplied(): Promise<AppliedMachine> {
  const folder = machineFolder("dev");
  const state: GuestState = {
    hostname: "",
    memoryMiB: PLAIN_MACHINE.vm.memoryMiB,
    isUp: true,
    hasAgent: true,
    stops: 0,
    packages: {},
    list: null,
  };
  const trouble: AppliedMachine["trouble"] = {};
  const events: ApplyEvent[] = [];
  const made: { key: string; agent?: AgentStatus } = { key: "" };
  const facts = (): GuestFacts => ({
    ...factsOf({
      [OWNED_FILE]: state.list,
      "/proc/sys/kernel/hostname": `${state.hostname}\n`,
      "/etc/hostname": `${state.hostname}\n`,
      "/etc/hosts": `127.0.1.1 ${state.hostname}\n`,
      "/etc/timezone": "Europe/Berlin\n",
      "/etc/localtime": "berlin",
      "/usr/share/zoneinfo/Europe/Berlin": "berlin",
      "/etc/passwd": "ada:x:1000:1000::/home/ada.guest:/bin/bash\n",
      "/etc/sudoers.d/machine": "ada ALL=(ALL) NOPASSWD:ALL\n",
      "/etc/ssh/authorized_keys.d/ada": made.key,
      "/home/ada.guest": "",
      "/etc/docker/daemon.json": '{"host-gateway-ip": "192.168.5.2"}',
      "/etc/group": "docker:x:100:ada\n",
    }, { "docker.service": {}, "docker.socket": {}, "containerd.service": {} }),
    package: (name) =>
      name in state.packages ? { state: "present", value: state.packages[name]! } : { state: "absent" },
  });
  const guest = guestOf(facts, (ops) => {
    const failure = trouble.of?.(ops);
    if (failure) return failure;
    for (const op of ops) {
      if (op.op === "hostname") state.hostname = op.name;
      if (op.op === "install-packages") { for (const name of op.names) state.packages[name] = "1"; }
      if (op.op === "remove-packages") { for (const name of op.names) delete state.packages[name]; }
      if (op.op === "write" && op.files[0]?.path === OWNED_FILE) state.list = String(op.files[0].content);
    }
    return {};
  });
  const status = () => Promise.resolve(state.hasAgent ? made.agent : undefined);
  const platform = platformOf({
    vm: {
      look: () => {
        const { memoryMiB } = state;
        return Promise.resolve(state.isUp ? { ...RUNNING, memoryMiB, disks: [RUNNING.disks[0]!] } : STOPPED);
      },
      process: () => Promise.resolve(state.isUp ? RUNNING.pid : undefined),
      rememberedAccel: () => Promise.resolve("tcg"),
      defaultCpu: () => RUNNING.cpu,
      chooseAccel: () => Promise.resolve({ accel: "tcg", cpu: RUNNING.cpu }),
      bootFailure: () => Promise.resolve(undefined),
      start: ({ memoryMiB }) => {
        state.memoryMiB = memoryMiB;
        state.isUp = true;
        return Promise.resolve(RUNNING.pid);
      },
      awaitGuest: () => Promise.resolve(),
      stop: () => {
        state.isUp = false;
        state.stops++;
        return Promise.resolve();
      },
    },
    disks: {
      exists: (path) => Promise.resolve(path === folder.disk),
      readOverlay: () => Promise.resolve({ sizeMiB: MACHINE.vm.diskMiB, backing: BASE.disk }),
      readRaw: () => Promise.resolve(undefined),
    },
    images: {
      isWhole: () => Promise.resolve(true),
      under: () => Promise.resolve(BASE),
      ensure: () => Promise.reject(new Error("Nothing is built here")),
    },
    agents: {
      status,
      look: () => Promise.resolve({ facts: facts(), mounts: [] }),
      guest: () => guest,
      start: () => {
        state.hasAgent = true;
        return Promise.resolve(made.agent!);
      },
      reload: () => Promise.resolve(made.agent!),
      stop: () => {
        state.hasAgent = false;
        return Promise.resolve();
      },
      build: () => Promise.resolve("b"),
    },
    connect: () => Promise.resolve({ ...guest, isOpen: true, async [Symbol.asyncDispose]() {} }),
    docker: () => Promise.resolve({ status: 200, body: "OK" }),
  });
  const store = new RecordStore(folder, undefined);
  await store.ensure("dev", ORIGIN);
  await store.update({ sshPort: RECORD.sshPort, base: BASE });
  const world = await makeWorld("dev", PLAIN_MACHINE, platform);
  await ensureIdentity(world);
  made.key = await readText(folder.identityPublic);
  made.agent = {
    version: "0",
    build: "b",
    pid: 1,
    machine: "dev",
    startedAt: "",
    configHash: sha256(agentConfigText(world)),
    guest: { state: "connected", since: "" },
    sockets: [{ ...engineSocketOf("docker", folder), listening: true }],
    rssMiB: 1,
    counts: { connections: 0, execs: 0 },
  };
  const options: AppliedMachine["options"] = () => ({
    platform,
    emit: (event) => events.push(event),
    stopSignal: new AbortController().signal,
    abortSignal: new AbortController().signal,
    lockTimeoutMs: 0,
    command: "machine test",
  });
  const apply: AppliedMachine["apply"] = (machine, more = {}) =>
    applyMachine({
      ...options(),
      loaded: { machine, origin: ORIGIN, positionOf: () => undefined },
      approval: { allowed: new Set<Effect>(["live", "service", "restart", "recreate"]) },
      takeOver: false,
      dryRun: false,
      ...more,
    });
  const outcome = await apply(PLAIN_MACHINE);
  if (outcome.exitCode !== 0) throw new Error(`The fixture cannot be applied: ${JSON.stringify(outcome)}`);
  events.length = 0;
  return { folder, platform, state, trouble, events, options, apply };
}

const STOPPED = { state: "stopped", crashed: false } as const;
