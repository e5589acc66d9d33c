import { effectOf } from "../../config/effects.ts";
import type { Observed } from "../../plan/types.ts";
import { UserError } from "../../host/errors.ts";
import { machineHome } from "../../host/paths.ts";
import { Differences } from "../change.ts";
import type { Job, Kind, World } from "../contract.ts";
import { withHostLock } from "../host_lock.ts";
import {
  configFile,
  currentContext,
  isConfigReadOnly,
  readContexts,
  removeContext,
  type StoredContext,
  useContext,
  writeContext,
} from "./client_config.ts";

const ADDRESS = "context:docker";

/** A docker context as wanted. */
interface WantedContext extends StoredContext {
  readonly current: boolean;
}

/** A docker context as found. */
interface FoundContext {
  readonly endpoint: string;
  readonly current: boolean;
  /** Contexts of this machine under other names. */
  readonly former: readonly string[];
}

/** The host's docker context that leads to the machine. */
export const dockerContextKind: Kind<WantedContext, FoundContext> = {
  kind: ADDRESS,
  phase: 17,
  realm: "host",
  path: () => "runtime.docker.context",
  dependsOn: () => ["socket:docker"],
  desired: (world) =>
    new Map(world.machine?.runtime.engine === "docker" ? [[ADDRESS, wantedContext(world)]] : []),
  observe: async (world, _look, desired) =>
    new Map([[ADDRESS, await observeContext(world, desired.get(ADDRESS))]]),
  compare(desired, observed) {
    const found = new Differences();
    found.compare("runtime.docker.context.endpoint", observed.endpoint, desired.endpoint);
    for (const name of observed.former) found.add("runtime.docker.context.name", name, desired.name);
    if (desired.current && !observed.current) found.add("runtime.docker.context.current", false, true);
    return found.changes;
  },
  expected: ({ endpoint, current }) => ({ endpoint, current, former: [] }),
  creation: (_world, _look, desired) => ({
    effect: effectOf("runtime.docker.context"),
    reason: `"${desired.name}"${desired.current ? ", made current" : ""}`,
  }),
  apply: (job, desired) => withHostLock(job, "docker-config", () => applyContext(job, desired)),
  undo: (job) => withHostLock(job, "docker-config", () => withdrawContext(job)),
};

function wantedContext(world: World): WantedContext {
  const { context } = world.machine!.runtime.docker;
  return {
    name: context.name,
    description: stampOf(world),
    endpoint: `unix://${world.folder.dockerSocket}`,
    current: context.current,
  };
}

/** Our mark on a context: it tells ours from one of the same name that somebody else made. */
function stampOf(world: World): string {
  return `machine ${world.name} (${machineHome()})`;
}

async function observeContext(
  world: World,
  desired: WantedContext | undefined,
): Promise<Observed<FoundContext>> {
  const stamp = stampOf(world);
  const wanted = desired?.name;
  let contexts: StoredContext[];
  let current: string;
  try {
    contexts = await readContexts();
    current = await currentContext();
  } catch (error) {
    // A file of the client's that nobody can read stops this line, not the machine.
    if (error instanceof UserError) return { state: "unknown", reason: error.message };
    throw error;
  }
  if (desired?.current && current !== wanted && await isConfigReadOnly()) {
    const way = `set "current: false" and use docker --context ${wanted}, or machine env ${world.name}`;
    return {
      state: "unknown",
      reason: `${configFile()} is read-only, so no context can be made current: ${way}`,
    };
  }
  const named = contexts.find(({ name }) => name === wanted);
  if (named !== undefined && named.description !== stamp) {
    return {
      state: "unknown",
      reason: `a context "${wanted}" exists and is not ours: docker context rm ${wanted}, ` +
        `another name in runtime.docker.context.name, or machine env ${world.name}, which needs none`,
    };
  }
  const ours = contexts.filter(({ description }) => description === stamp);
  if (!named && ours.length === 0) return { state: "absent" };
  return {
    state: "present",
    owned: true,
    value: {
      endpoint: named?.endpoint ?? "",
      current: current === wanted,
      former: ours.map(({ name }) => name).filter((name) => name !== wanted),
    },
  };
}

async function applyContext(job: Job, desired: WantedContext): Promise<void> {
  await writeContext(desired);
  const current = await currentContext();
  if (desired.current && current !== desired.name) {
    const ours = (await contextsOf(job)).map(({ name }) => name);
    if (!ours.includes(current)) await job.store.update({ previousContext: current });
    await useContext(desired.name);
  }
  for (const { name } of await contextsOf(job)) if (name !== desired.name) await removeContext(name);
}

/** Takes the context away and makes the one current that was before it, if it is still there. */
async function withdrawContext(job: Job): Promise<void> {
  const ours = (await contextsOf(job)).map(({ name }) => name);
  if (ours.includes(await currentContext())) {
    const previous = job.store.value?.previousContext ?? "default";
    const there = (await readContexts()).some(({ name }) => name === previous);
    await useContext(there ? previous : "default");
  }
  for (const name of ours) await removeContext(name);
  await job.store.update({ previousContext: undefined });
}

async function contextsOf(job: Job): Promise<StoredContext[]> {
  const stamp = stampOf(job.world);
  return (await readContexts()).filter(({ description }) => description === stamp);
}
