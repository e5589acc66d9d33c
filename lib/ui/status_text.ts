import type { MachineStatus } from "../apply/types.ts";
import { formatMs, printable, type Style } from "./style.ts";

/** A machine on a page of 80 columns: state, limits, how to reach it, what is mounted and forwarded. */
export function statusText(status: MachineStatus, style: Style): string {
  const rows: (readonly [name: string, value: string])[] = [
    ["machine", `${style.bold(status.name)}  ${stateText(status, style)}`],
    ["file", status.origin === "-" ? "standard input" : status.origin],
  ];
  const { vm, agent, ssh, docker } = status;
  if (vm) {
    rows.push(["vm", `${vm.cpus} CPUs, ${vm.memoryMiB} MiB, process ${vm.pid}`]);
    rows.push(["", `QEMU ${vm.qemuVersion}, ${vm.accel}, CPU model ${vm.cpu}`]);
  }
  if (status.bootMs !== undefined) rows.push(["boot", formatMs(status.bootMs)]);
  if (status.appliedAt !== undefined) rows.push(["applied", status.appliedAt]);
  if (agent) rows.push(["agent", agentText(agent)]);
  if (ssh) rows.push(["ssh", ssh.command]);
  if (status.engine) rows.push(...engineRows(status.engine, style));
  if (docker) {
    rows.push(["docker", `context ${docker.context}${docker.current ? " (current)" : ""}`], [
      "",
      docker.endpoint,
    ]);
  }
  status.mounts.forEach((mount, index) =>
    rows.push([index === 0 ? "mounts" : "", `${mountText(mount)}  ${health(mount.state, style)}`])
  );
  status.sockets.forEach((socket, index) =>
    rows.push([
      index === 0 ? "sockets" : "",
      `${socket.host} → ${socket.guest}  ${health(socket.state, style)}`,
    ])
  );
  status.limits.forEach((limit, index) => rows.push([index === 0 ? "limits" : "", limit]));
  return rows.flatMap(([name, value]) => row(name, value)).join("\n") + "\n";
}

const NAME_COLUMNS = 10;
const VALUE_COLUMNS = 80 - NAME_COLUMNS;

/** A name and its value, which goes on under itself where it is longer than the page. */
function row(name: string, value: string): string[] {
  return wrap(value, VALUE_COLUMNS).map((line, index) =>
    `${(index === 0 ? name : "").padEnd(NAME_COLUMNS)}${line}`
  );
}

/** Breaks a text at spaces; a word that is longer than a line stays whole, so that paths can be copied. */
function wrap(text: string, columns: number): string[] {
  if (visibleLength(text) <= columns) return [text];
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && visibleLength(line) + 1 + visibleLength(word) > columns) {
      lines.push(line.trimEnd());
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

function visibleLength(text: string): number {
  return printable(text).length;
}

function stateText(status: MachineStatus, style: Style): string {
  const words = status.state === "kept-data" ? "deleted, its data disk is kept" : status.state;
  const paint = status.state === "running"
    ? style.green
    : status.state === "stopped"
    ? style.dim
    : style.yellow;
  return status.reason === undefined ? paint(words) : `${paint(words)}: ${printable(status.reason)}`;
}

/** The engine, and a line for each namespace in which something runs. */
function engineRows(
  { name, namespaces, unknown }: NonNullable<MachineStatus["engine"]>,
  style: Style,
): (readonly [name: string, value: string])[] {
  const busy = namespaces.filter(({ running }) => running.length > 0).map(({ name, of, running }) =>
    `${name}${of === undefined ? "" : ` (${of})`}: ${running.map(printable).join(", ")}`
  );
  const nothing = name === "none" || unknown !== undefined ? [] : ["nothing"];
  const runs = [
    ...(busy.length === 0 ? nothing : busy),
    ...(unknown === undefined ? [] : [style.yellow(`unknown: ${printable(unknown)}`)]),
  ];
  return [["engine", name], ...runs.map((text, index) => [index === 0 ? "runs" : "", text] as const)];
}

function agentText(agent: NonNullable<MachineStatus["agent"]>): string {
  const process = agent.pid === undefined ? "" : `, process ${agent.pid}`;
  return `${agent.state}${process}${agent.since === undefined ? "" : `, since ${agent.since}`}`;
}

function mountText(mount: MachineStatus["mounts"][number]): string {
  const places = mount.source === mount.target ? mount.source : `${mount.source} → ${mount.target}`;
  return `${places}  ${mount.type}, ${mount.writable ? "writable" : "read-only"}`;
}

function health(state: string, style: Style): string {
  return /^(same|ok|listening|mounted|connected)$/.test(state) ? style.dim(state) : style.yellow(state);
}
