import { quote } from "./quote.ts";

/** Has containerd's restart monitor leave a container alone (containerd's runtime/restart). */
const RESTARTS = "containerd.io/restart.status";
/** Our mark on a container whose restart policy rests. */
const RESTING = "machine.restart";
/** How long a container has to end by itself, as `docker stop` gives it. */
const GRACE_S = 10;

/** Says in containerd's own words what is wrong with a configuration; what it understands of it is nobody's business. */
export function checkContainerdScript(path: string): string {
  return `containerd --config ${quote(path)} config dump 2>&1 >/dev/null`;
}

/** A plugin that was switched off is not on the list; one that failed is, and the journal says why. */
export function checkPluginScript(id: string): string {
  return [
    `plugin=$(ctr plugins ls ${quote(`id==${id}`)})`,
    `case $plugin in *" ok"*) ;; *)`,
    `journalctl -q --no-pager -o cat -n 200 -u containerd.service _SYSTEMD_INVOCATION_ID="$(` +
    "systemctl show -P InvocationID containerd.service)" +
    `" | grep -F 'failed to load plugin' | tail -n 3`,
    `printf 'containerd runs without its plugin %s\\n' ${quote(id)}; exit 1;; esac`,
  ].join("\n");
}

/** Functions of the shell that list namespaces' things; a containerd that does not answer ends the script. */
const LISTS = [
  "running() {",
  'rows=$(ctr -n "$1" tasks ls) || return 1',
  `printf '%s\\n' "$rows" | awk '$3 == "RUNNING" || $3 == "PAUSED" { print $1 }'`,
  "}",
  "spaces=$(ctr namespaces ls -q)",
];

/** One process for each namespace, and one for each container outside of dockerd's, whose names dockerd knows. */
export function listTasksScript(): string {
  return [
    ...LISTS,
    "for space in $spaces; do",
    'echo "namespace $space"',
    'ids=$(running "$space")',
    "for id in $ids; do",
    'if [ "$space" = moby ]; then echo "task $space $id"; continue; fi',
    `info=$(ctr -n "$space" containers info "$id") || continue`, // it ended meanwhile
    `name=$(printf '%s\\n' "$info" | ${NAME_OF_CONTAINER})`,
    // The sandbox of a pod is no container of anybody's.
    '[ "$name" = - ] || echo "task $space $id $name"',
    "done",
    "done",
  ].join("\n");
}

/** The name in the labels that a container's client has given it; "-" for the sandbox of a pod. */
const NAME_OF_CONTAINER = "awk -F '\"' " + quote([
  '$2 == "nerdctl/name" && $4 != "" { name = $4 }',
  '$2 == "io.kubernetes.pod.name" { pod = $4 "/" }',
  '$2 == "io.kubernetes.container.name" { name = $4 }',
  '$2 == "io.cri-containerd.kind" && $4 == "sandbox" { sandbox = 1 }',
  'END { if (sandbox) print "-"; else if (name != "") print pod name }',
].join("\n"));

/**
 * Asks everything that runs in one namespace, or in all but one, to end, all at once, and kills what has not after a
 * while. A task that ended is taken away, so that its client can start the container again.
 */
export function endTasksScript(only: string | undefined, except: string | undefined): string {
  const skip = [
    ...(only === undefined ? [] : [`[ "$space" = ${quote(only)} ] || continue`]),
    ...(except === undefined ? [] : [`[ "$space" != ${quote(except)} ] || continue`]),
  ];
  const inEach = (...lines: readonly string[]) => ["for space in $spaces; do", ...skip, ...lines, "done"];
  const forEach = (list: string, command: string) =>
    inEach(`ids=$(${list})`, `for id in $ids; do ${command}; done`);
  const ctr = 'ctr -n "$space"';
  const policies = `${ctr} containers ls -q ${quote(`labels."${RESTARTS}"==running`)}`;
  return [
    "if systemctl is-active -q containerd.service; then",
    ...LISTS,
    ...forEach(policies, `${ctr} containers label "$id" ${RESTARTS}=stopped ${RESTING}=running >/dev/null`),
    ...forEach('running "$space"', `${ctr} tasks kill -s SIGTERM "$id" || :`),
    `end=$(( $(date +%s) + ${GRACE_S} ))`,
    "while :; do left=",
    ...inEach('ids=$(running "$space")', 'left="$left$ids"'),
    '[ -n "$left" ] && [ "$(date +%s)" -lt $end ] || break',
    "sleep 0.5; done",
    ...forEach('running "$space"', `${ctr} tasks kill -a -s SIGKILL "$id" || :`),
    ...forEach(`${ctr} tasks ls -q`, `${ctr} tasks delete -f "$id" >/dev/null 2>&1 || :`),
    ...inEach(
      'ids=$(running "$space")',
      `[ -z "$ids" ] || { printf 'These containers of %s do not end: %s\\n' "$space" "$ids"; exit 1; }`,
    ),
    "fi",
  ].join("\n");
}

/** What was running before the engine went is started again by containerd, where its policy says so. */
export function resumeTasksScript(): string {
  return [
    ...LISTS,
    "for space in $spaces; do",
    `ids=$(ctr -n "$space" containers ls -q ${quote(`labels."${RESTING}"==running`)})`,
    "for id in $ids; do",
    `ctr -n "$space" containers label "$id" ${RESTARTS}=running ${RESTING}= >/dev/null`,
    "done; done",
  ].join("\n");
}
