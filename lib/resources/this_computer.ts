import { dirname } from "node:path";
import { fetchRelease } from "../artifacts/fetch.ts";
import { agentGuest, agentLook, agentStatus, reloadAgent, stopAgent } from "../agent/client.ts";
import { startAgent } from "../agent/spawn.ts";
import { chooseAccel, defaultCpu, rememberedAccel } from "../drivers/qemu/accel.ts";
import {
  growOverlay,
  growRawDisk,
  makeOverlay,
  makeRawDisk,
  readOverlay,
  readRawDisk,
} from "../drivers/qemu/disks.ts";
import { removeForward } from "../drivers/qemu/forward.ts";
import { findQemu, lookAtVm } from "../drivers/qemu/look.ts";
import { plugDisk, unplugDisk } from "../drivers/qemu/plug.ts";
import { findQemuProgram } from "../drivers/qemu/program.ts";
import { resizeLive } from "../drivers/qemu/resize.ts";
import { bootFailure, startQemu } from "../drivers/qemu/start.ts";
import { stopQemu } from "../drivers/qemu/stop.ts";
import { controlOver } from "../guest/control.ts";
import { parseAnswer, queryScript } from "../guest/query.ts";
import { connectSsh, type SshConnection, waitForSsh } from "../guest/ssh.ts";
import { UserError } from "../host/errors.ts";
import { removeIfPresent, statIfPresent } from "../host/files.ts";
import { hostTrust } from "../host/trust.ts";
import { speaksHttp2 } from "../host/unix_http2.ts";
import { unixHttp } from "../host/unix_http.ts";
import { buildId } from "../host/version.ts";
import { findBaseImage, readBaseImage } from "../image/cache.ts";
import { ensureBaseImage } from "../image/ensure.ts";
import { awaitGuest } from "./boot.ts";
import { hostLogin } from "./docker/host_login.ts";
import type {
  AgentControl,
  DiskDriver,
  GuestConnection,
  ImageStore,
  Platform,
  VmDriver,
} from "./platform.ts";

const IMAGE_LOCK_TIMEOUT_MS = 30 * 60_000;

/** QEMU on this computer. */
const vm: VmDriver = {
  look: lookAtVm,
  process: findQemu,
  async chooseAccel({ cpu, ...question }) {
    const qemu = await findQemuProgram(question.arch);
    const proof = await chooseAccel({ ...question, qemu });
    return {
      accel: proof.accel,
      cpu: cpu === "auto" ? defaultCpu(proof.accel, qemu.major) : cpu,
      ...(proof.fresh && proof.accel === "tcg" ? { disappointment: proof.reason } : {}),
    };
  },
  // What was proven holds for one version of QEMU; asking its version costs a process, so trust the one that runs.
  rememberedAccel: async (cacheDir) => (await rememberedAccel(cacheDir))?.accel,
  defaultCpu: (accel, version) => defaultCpu(accel, Number(version.split(".")[0])),
  async start(spec, folder, { progress }) {
    const qemu = await findQemuProgram(spec.arch);
    progress(`starting QEMU ${qemu.version} (${spec.accel})`);
    return await startQemu(spec, folder, qemu);
  },
  awaitGuest,
  bootFailure,
  stop: (folder, { progress, signal, powerOff }) =>
    stopQemu(folder, { onWait: progress, signal, ...(powerOff ? { powerOff } : {}) }),
  removeForward,
  resizeDisk: resizeLive,
  plugDisk,
  unplugDisk,
};

const disks: DiskDriver = {
  readOverlay,
  makeOverlay,
  growOverlay,
  readRaw: readRawDisk,
  makeRaw: makeRawDisk,
  growRaw: growRawDisk,
  async remove(path) {
    for (const file of [path, `${path}.part`]) await removeIfPresent(file);
  },
  exists: async (path) => await statIfPresent(path) !== undefined,
};

const images: ImageStore = {
  find: (recipe, cacheDir) => findBaseImage(recipe, { cacheDir }),
  under: (disk) => readBaseImage(dirname(disk)),
  async isWhole(image) {
    for (const file of [image.disk, image.kernel, image.initrd]) {
      if (await statIfPresent(file) === undefined) return false;
    }
    return true;
  },
  ensure: (recipe, cacheDir, { progress, signal }) =>
    ensureBaseImage(recipe, { cacheDir, onProgress: progress, signal, lockTimeoutMs: IMAGE_LOCK_TIMEOUT_MS }),
};

const agents: AgentControl = {
  status: (folder) => agentStatus(folder.agentSocket),
  async look(folder, { query, mounts, timeoutMs }) {
    const script = queryScript(query);
    const answer = await agentLook(folder.agentSocket, { script, mounts, timeoutMs });
    if (answer.script.code !== 0) {
      throw new UserError(`The look failed in the guest: ${answer.script.stderr.trim()}`);
    }
    return { facts: parseAnswer(answer.script.stdout), mounts: answer.mounts };
  },
  guest: (folder) => controlOver(agentGuest(folder.agentSocket)),
  start: startAgent,
  reload: (folder) => reloadAgent(folder.agentSocket),
  stop: (folder) => stopAgent(folder.agentSocket),
  build: buildId,
};

/** This computer: QEMU, its files, its processes. */
export const thisComputer: Platform = {
  vm,
  disks,
  images,
  agents,
  artifacts: {
    fetch: fetchRelease,
    // Only who unpacks something needs what reads archives.
    unpack: async (...words) => await (await import("../artifacts/unpack.ts")).unpack(...words),
  },
  async connect(target, { timeoutMs, signal, patient }) {
    const options = { timeoutMs, ...(signal ? { signal } : {}) };
    return connection(patient ? await waitForSsh(target, options) : await connectSsh(target, options));
  },
  docker: async (folder, path, timeoutMs) =>
    await unixHttp(folder.dockerSocket, { method: "GET", path, timeoutMs }),
  containerdAnswers: (folder, timeoutMs) => speaksHttp2(folder.containerdSocket, timeoutMs),
  registryLogin: hostLogin,
  trust: hostTrust,
};

function connection(ssh: SshConnection): GuestConnection {
  return {
    ...controlOver(ssh),
    get isOpen() {
      return ssh.isOpen;
    },
    [Symbol.asyncDispose]: () => ssh[Symbol.asyncDispose](),
  };
}
