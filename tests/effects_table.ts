import { STATE_EFFECTS } from "../lib/config/effects.ts";
import { listFields } from "../lib/config/schema/walk.ts";
import { equal } from "../lib/plan/equal.ts";
import type { EffectRule } from "../lib/config/schema/field.ts";

/** What changing each supported key costs: written down once more from the design, so that neither side errs alone. */
export const KEY_EFFECTS: Readonly<Record<string, EffectRule>> = {
  "apiVersion": "none",
  "name": "identity",
  "extends": "none",
  "protect": "live",
  "vm": "restart",
  "vm.driver": "recreate",
  "vm.arch": "recreate",
  "vm.accel": "restart",
  "vm.cpus": "restart",
  "vm.memory": "restart",
  "vm.cpu": "restart",
  "vm.image": "recreate",
  "vm.image.name": "recreate",
  "vm.image.source": "recreate",
  "vm.disk": { "grow": "live", "shrink": "recreate" },
  "vm.dataDisk": { "grow": "live", "shrink": "data-loss", "attach": "restart", "none": "data-loss" },
  "vm.disks": { "add": "live", "remove": "live", "delete": "data-loss" },
  "vm.disks[].name": { "add": "live", "remove": "live" },
  "vm.disks[].size": { "grow": "live", "shrink": "data-loss" },
  "vm.disks[].format": "data-loss",
  "vm.disks[].target": "live",
  "user": "live",
  "user.name": "service",
  "user.uid": "service",
  "user.shell": "live",
  "user.sudo": "live",
  "hostname": "live",
  "timezone": "live",
  "mounts": { "add": "restart", "remove": "live", "remount": "live" },
  "mounts[].source": { "share": "restart", "remount": "live" },
  "mounts[].target": { "share": "restart", "remount": "live" },
  "mounts[].type": { "share": "restart", "remount": "live" },
  "mounts[].writable": { "share": "restart", "remount": "live" },
  "mounts[].optional": "none",
  "mounts[].options": "live",
  "env": "live",
  "packages": "live",
  "packages.install": "live",
  "files": "live",
  "files[].path": "live",
  "files[].content": "live",
  "files[].source": "live",
  "files[].owner": "live",
  "files[].mode": "live",
  "sysctl": "live",
  "modules": "live",
  "network": "live",
  "network.proxy": { "shells": "live", "daemons": "service" },
  "network.proxy.inherit": { "shells": "live", "daemons": "service" },
  "network.proxy.http": { "shells": "live", "daemons": "service" },
  "network.proxy.https": { "shells": "live", "daemons": "service" },
  "network.proxy.except": { "shells": "live", "daemons": "service" },
  "network.caCerts": { "shells": "live", "daemons": "service" },
  "network.caCerts.host": { "shells": "live", "daemons": "service" },
  "network.caCerts.files": { "shells": "live", "daemons": "service" },
  "runtime": "service",
  "runtime.engine": { "start": "live", "stop": "service" },
  "runtime.registries": "live",
  "runtime.registries.*.mirrors": "live",
  "runtime.registries.*.insecure": "live",
  "runtime.registries.*.certificates": "live",
  "runtime.registries.*.certificates.ca": "live",
  "runtime.registries.*.certificates.cert": "live",
  "runtime.registries.*.certificates.key": "live",
  "runtime.registries.*.credentials": "live",
  "runtime.docker": "service",
  "runtime.docker.daemon": { "reload": "live", "restart": "service" },
  "runtime.docker.context": "live",
  "runtime.docker.context.name": "live",
  "runtime.docker.context.current": "live",
  "runtime.containerd": "service",
  "runtime.containerd.cri": "service",
  "runtime.containerd.snapshotter": "service",
  "runtime.containerd.nerdctl": "live",
  "runtime.containerd.config": "service",
  "cni": "live",
  "cni.network": "live",
  "cni.network.conflist": "live",
  "cni.plugins": "live",
  "cni.plugins.source": "service",
  "cni.plugins.version": "live",
  "provision": "live",
  "provision[].name": "live",
  "provision[].run": "live",
  "provision[].check": "live",
  "provision[].as": "live",
  "provision[].when": "live",
  "artifacts": "none",
  "artifacts.mirror": "none",
  "artifacts.offline": "none",
  "ssh": "live",
  "ssh.port": "live",
  "ssh.agent": "live",
  "ssh.config": "live",
};

/** The same of what is observed and no key says. */
export const OBSERVED_EFFECTS: Readonly<Record<string, EffectRule>> = {
  "vm.running": { "down": "live", "stuck": "restart" },
  "agent": "live",
  "agent.build": "live",
  "agent.config": "live",
  "image": "live",
  "folders": "live",
  "unit": "live",
  "socket": "live",
  "user.key": "live",
  "user.home": "live",
  "user.groups": "live",
  "runtime.docker.context.endpoint": "live",
};

/** Where schema and table say something else, each in a line; empty when they agree. */
export function effectDifferences(): string[] {
  const said = listFields().filter(({ support }) => support === "yes")
    .map(({ path, effect }) => [path, effect] as const);
  return [
    ...differences(Object.fromEntries(said), KEY_EFFECTS),
    ...differences(STATE_EFFECTS, OBSERVED_EFFECTS),
  ];
}

function differences(
  said: Readonly<Record<string, EffectRule>>,
  table: Readonly<Record<string, EffectRule>>,
): string[] {
  const paths = [...new Set([...Object.keys(said), ...Object.keys(table)])];
  return paths.filter((path) => !equal(said[path], table[path]))
    .map((path) => `${path}: ${JSON.stringify(said[path])}, in the table ${JSON.stringify(table[path])}`);
}
