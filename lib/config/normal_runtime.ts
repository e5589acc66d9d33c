import { type Declared, declaredAt, sortBy } from "./declared.ts";
import { withoutEndSlash } from "./host_path.ts";
import { sortKeys } from "./json.ts";
import { normalSet } from "./normal_guest.ts";
import type { NormalContext } from "./normal.ts";
import type { MachineFile } from "./schema/machine.ts";
import { runtimeBlock } from "./schema/runtime.ts";
import type { Shape } from "./shape.ts";
import type { ArtifactSettings, Json, NetworkSettings, Registry, Runtime } from "./types.ts";

/** The engine with its settings, keys in order. */
export function normalRuntime(file: MachineFile, { resolve }: NormalContext): Runtime {
  const block = typeof file.runtime === "string"
    ? runtimeBlock.parse({ engine: file.runtime })
    : file.runtime;
  const { containerd, docker } = block;
  const registries = Object.entries(block.registries).map(([host, registry]): Registry => {
    const at = ["runtime", "registries", host];
    const files = Object.entries(registry.certificates).flatMap(([key, path]): [string, string][] =>
      path === undefined ? [] : [[key, resolve(path, [...at, "certificates", key])]]
    );
    return {
      host,
      mirrors: registry.mirrors.map(withoutEndSlash),
      insecure: registry.insecure,
      certificates: Object.fromEntries(sortBy(files, ([key]) => key)),
      credentials: registry.credentials,
    };
  });
  return {
    // What this version has not was refused before
    engine: block.engine === "podman" ? "none" : block.engine,
    registries: sortBy(registries, ({ host }) => host),
    docker: {
      daemon: sortTree(docker.daemon),
      context: {
        name: docker.context.name ?? `machine-${file.name}`,
        current: docker.context.current ?? true,
      },
    },
    containerd: {
      cri: containerd.cri === "auto" ? true : containerd.cri,
      snapshotter: containerd.snapshotter,
      nerdctl: containerd.nerdctl,
      config: sortTree(containerd.config),
    },
  };
}

function sortTree(tree: Readonly<Record<string, Json>>): Readonly<Record<string, Json>> {
  const sorted = sortBy(Object.entries(tree), ([key]) => key);
  return Object.fromEntries(sorted.map(([key, value]): [string, Json] => [key, sortKeys(value)]));
}

/** The files of authorities as the file declares them. */
export function declareAuthorities(shape: Shape, { resolve }: NormalContext): readonly Declared<string>[] {
  return shape.file.network.caCerts.files.map((path, index) => {
    const declared = declaredAt(shape, ["network", "caCerts", "files", index], path);
    return { ...declared, value: resolve(path, declared.path) };
  });
}

/** Proxies and authorities as the file says them; lists whose order has no meaning are sorted. */
export function normalNetwork(
  { network }: MachineFile,
  authorities: readonly Declared<string>[],
): NetworkSettings {
  const { proxy, caCerts } = network;
  return {
    proxy: {
      inherit: proxy.inherit,
      ...(proxy.http === undefined ? {} : { http: withoutEndSlash(proxy.http) }),
      ...(proxy.https === undefined ? {} : { https: withoutEndSlash(proxy.https) }),
      except: sortBy([...new Set(proxy.except)], (name) => name),
    },
    caCerts: { host: caCerts.host, files: normalSet(authorities) },
  };
}

/** Where releases come from; a folder's path is absolute. */
export function normalArtifacts({ artifacts }: MachineFile, { resolve }: NormalContext): ArtifactSettings {
  const { mirror, offline } = artifacts;
  const isFolder = mirror !== "official" && !/^https?:\/\//.test(mirror);
  return { mirror: isFolder ? resolve(mirror, ["artifacts", "mirror"]) : withoutEndSlash(mirror), offline };
}

/** Whether the file says itself that its docker context is to be the current one; `undefined` when it says nothing. */
export function declaredCurrent({ runtime }: MachineFile): boolean | undefined {
  return typeof runtime === "string" ? undefined : runtime.docker.context.current;
}
