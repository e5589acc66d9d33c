import { CONFLIST } from "../../lib/resources/cni/conflist.ts";
import {
  authorities,
  certificateFolder,
  daemon,
  editEntry,
  engineLine,
  engineOf,
  type HandEdit,
  hasConflist,
  hasNerdctl,
  hostsFolder,
  ifProxy,
  logins,
  releasedPlugin,
  user,
} from "./edited_keys.ts";

/** Things that people do to engines, and to what these and others take over of the network. */
export const ENGINE_EDITS: readonly HandEdit[] = [
  // These come first: dockerd has containerd started too, which others stop.
  {
    name: "starts docker although another engine was chosen",
    shows: (keys) => engineOf(keys) === "docker" ? [] : ["engine:docker"],
    edit: (guest) => void guest.systemd.start("docker.service"),
  },
  {
    name: "starts docker's socket, which would start docker, although another engine was chosen",
    shows: (keys) => engineOf(keys) === "docker" ? [] : ["engine:docker"],
    edit: (guest) => void guest.systemd.start("docker.socket"),
  },
  {
    name: "edits daemon.json",
    shows: engineLine("docker"),
    edit: (guest, keys) =>
      guest.put("/etc/docker/daemon.json", JSON.stringify({ ...daemon(keys), "debug": "?" })),
  },
  {
    name: "breaks daemon.json",
    shows: engineLine("docker"),
    edit: (guest) => guest.put("/etc/docker/daemon.json", "{ debug"),
  },
  {
    name: "stops dockerd",
    shows: engineLine("docker"),
    edit: (guest) => guest.systemd.stop("docker.service"),
  },
  {
    name: "disables docker's socket",
    shows: engineLine("docker"),
    edit: (guest) => guest.systemd.disable("docker.socket"),
  },
  {
    name: "takes the user out of the group docker",
    shows: engineLine("docker"),
    edit: (guest) => {
      const group = guest.text("/etc/group")!;
      guest.put("/etc/group", group.replace(/^docker:x:990:.*$/m, "docker:x:990:"));
    },
  },
  {
    name: "stops containerd",
    shows: (keys) => engineOf(keys) === "none" ? [] : [`engine:${engineOf(keys)}`],
    edit: (guest) => guest.systemd.stop("containerd.service"),
  },
  {
    name: "disables containerd",
    shows: (keys) => engineOf(keys) === "none" ? [] : [`engine:${engineOf(keys)}`],
    edit: (guest) => guest.systemd.disable("containerd.service"),
  },
  {
    name: "edits config.toml",
    shows: engineLine("containerd"),
    edit: (guest) => guest.put("/etc/containerd/config.toml", 'version = 2\n[debug]\nlevel = "trace"\n'),
  },
  {
    name: "breaks config.toml",
    shows: engineLine("containerd"),
    edit: (guest) => guest.put("/etc/containerd/config.toml", "version = \n"),
  },
  {
    name: "removes config.toml",
    shows: engineLine("containerd"),
    edit: (guest) => guest.view.delete("/etc/containerd/config.toml"),
  },
  {
    name: "edits hosts.toml",
    shows: (keys) => hostsFolder(keys) === undefined ? [] : ["engine:containerd"],
    edit: (guest, keys) =>
      guest.put(`${hostsFolder(keys)}/hosts.toml`, 'server = "https://theirs.invalid"\n'),
  },
  {
    name: "removes a certificate of a registry",
    shows: (keys) => certificateFolder(keys) === undefined ? [] : [`engine:${engineOf(keys)}`],
    edit: (guest, keys) => guest.view.delete(`${certificateFolder(keys)}/ca.crt`),
  },
  {
    name: "removes containerd's proxies",
    shows: (keys) => engineOf(keys) === "containerd" ? ifProxy("engine:containerd")(keys) : [],
    edit: (guest) => guest.view.delete("/etc/systemd/system/containerd.service.d/machine-proxy.conf"),
  },
  {
    name: "edits what login shells read of proxies",
    shows: ifProxy("proxy"),
    edit: (guest) =>
      guest.put("/etc/profile.d/machine-proxy.sh", "export http_proxy='http://theirs.invalid'\n"),
  },
  {
    name: "removes apt's proxies",
    shows: ifProxy("proxy"),
    edit: (guest) => guest.view.delete("/etc/apt/apt.conf.d/95machine-proxy"),
  },
  {
    name: "edits what sudo keeps of proxies",
    shows: ifProxy("proxy"),
    edit: (guest) => guest.put("/etc/sudoers.d/machine-proxy", "Defaults env_keep += THEIRS\n"),
  },
  {
    name: "edits the proxies of services",
    shows: ifProxy("proxy"),
    edit: (guest) =>
      guest.put("/etc/systemd/system.conf.d/machine-proxy.conf", '[Manager]\nDefaultEnvironment="A=1"\n'),
  },
  {
    name: "lets everybody read the proxies of services",
    shows: ifProxy("proxy"),
    edit: (guest) => editEntry(guest, "/etc/systemd/system.conf.d/machine-proxy.conf", { mode: "666" }),
  },
  {
    name: "removes an authority",
    shows: (keys) => authorities(keys).slice(0, 1).map((id) => `ca:${id}`),
    edit: (guest, keys) =>
      guest.view.delete(`/usr/local/share/ca-certificates/machine-${authorities(keys)[0]}.crt`),
  },
  {
    name: "edits an authority",
    shows: (keys) => authorities(keys).slice(-1).map((id) => `ca:${id}`),
    edit: (guest, keys) =>
      guest.put(`/usr/local/share/ca-certificates/machine-${authorities(keys).at(-1)}.crt`, "theirs\n"),
  },
  {
    name: "empties the bundle of authorities",
    shows: (keys) => authorities(keys).map((id) => `ca:${id}`),
    edit: (guest) => guest.put("/etc/ssl/certs/ca-certificates.crt", ""),
  },
  {
    name: "removes root's logins",
    shows: (keys) => logins(keys).map((host) => `login:${host}`),
    edit: (guest) => guest.view.delete("/root/.docker/config.json"),
  },
  {
    name: "logs in as somebody else",
    shows: (keys) => logins(keys).slice(0, 1).map((host) => `login:${host}`),
    edit: (guest, keys) => {
      const path = `/home/${user(keys)["name"]}.guest/.docker/config.json`;
      const config = JSON.parse(guest.text(path)!) as { readonly auths: Readonly<Record<string, unknown>> };
      const [host] = logins(keys);
      const key = host === "docker.io" ? "https://index.docker.io/v1/" : host!;
      const auths = { ...config.auths, [key]: { auth: btoa("them:theirs") } };
      const entry = guest.view.get(path);
      if (entry?.kind === "file") {
        guest.view.set(path, { ...entry, content: JSON.stringify({ ...config, auths }) });
      }
    },
  },
  {
    name: "edits the network of containers",
    shows: hasConflist,
    edit: (guest) => guest.put(CONFLIST, '{"name": "theirs"}\n'),
  },
  {
    name: "removes the network of containers",
    shows: hasConflist,
    edit: (guest) => guest.view.delete(CONFLIST),
  },
  {
    name: "puts another plugin in the place of a released one",
    shows: (keys) => releasedPlugin(keys) === undefined ? [] : ["cni"],
    edit: (guest, keys) => guest.put(releasedPlugin(keys)!, "theirs"),
  },
  {
    name: "removes a released plugin",
    shows: (keys) => releasedPlugin(keys) === undefined ? [] : ["cni"],
    edit: (guest, keys) => guest.view.delete(releasedPlugin(keys)!),
  },
  {
    name: "puts another nerdctl in its place",
    shows: hasNerdctl,
    edit: (guest) => guest.put("/usr/local/bin/nerdctl", "theirs"),
  },
  {
    name: "stops buildkitd",
    shows: hasNerdctl,
    edit: (guest) => guest.systemd.stop("buildkit.service"),
  },
];
