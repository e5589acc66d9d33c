import assert from "node:assert/strict";
import { done, type FolderGuest, inFolderGuest, programs, textOf } from "./guest_folder_fixture.ts";

/**
 * A `ctr` whose containers are files `NAMESPACE/ID`, with their state, and their labels in `NAMESPACE/ID.labels` as
 * its `containers info` writes them. A stubborn one does not end by SIGTERM, a deathless one not at all.
 */
const CTR = `cd "$(dirname "$0")/../ctr" || exit 1
echo "$*" >>../calls
space=default
[ "$1" != -n ] || { space=$2; shift 2; }
case "$1 $2" in
"namespaces ls") ls;;
"tasks ls")
  [ "$3" = -q ] || echo "TASK    PID     STATUS    "
  for file in "$space"/*; do case $file in *.labels|*"*") continue;; esac
    read -r state how <"$file"; id=\${file#*/}
    [ "$state" != gone ] || continue
    if [ "$3" = -q ]; then echo "$id"; else echo "$id    7     $state"; fi
  done;;
"containers info") echo '{ "Labels": {'; cat "$space/$3.labels" 2>/dev/null; echo '} }';;
"containers ls") case $4 in *machine.restart*) word='"machine.restart": "running"';;
  *) word='"containerd.io/restart.status": "running"';; esac
  grep -lF "$word" "$space"/*.labels 2>/dev/null | while read -r file; do file=\${file#*/}; echo "\${file%.labels}"; done;;
"containers label") id=$3; shift 3; for label in "$@"; do key=\${label%%=*}; value=\${label#*=}
  grep -vF "\\"$key\\"" "$space/$id.labels" >t; [ -z "$value" ] || echo "\\"$key\\": \\"$value\\"," >>t; mv t "$space/$id.labels"; done;;
"tasks kill") shift 2; sig=; for word in "$@"; do case $word in SIG*) sig=$word;; esac; id=$word; done
  read -r state how <"$space/$id"
  case $how-$sig in stubborn-SIGTERM|deathless-*) ;; *) echo "STOPPED" >"$space/$id";; esac;;
"tasks delete") read -r state how <"$space/$4"; [ "$state" = RUNNING ] || echo gone >"$space/$4";;
*) echo "ctr does not know $*" >&2; exit 1;;
esac`;

/** Runs some work with a guest whose containerd has these containers. */
async function withTasks(
  containers: Readonly<Record<string, string>>,
  work: (guest: FolderGuest, state: (name: string) => Promise<string | undefined>) => Promise<void>,
  isUp = true,
): Promise<void> {
  await inFolderGuest(async (guest) => {
    const clock =
      'now=$(cat "$0.now" 2>/dev/null || echo 0); now=$((now + 2)); echo $now >"$0.now"; echo $now';
    guest.programs = await programs(guest, {
      ctr: CTR,
      systemctl: isUp ? "exit 0" : "exit 3",
      sleep: "exit 0",
      date: clock, // so that no test waits for the real one
    });
    for (const [name, text] of Object.entries(containers)) {
      await Deno.mkdir(guest.path(`ctr/${name.split("/")[0]}`), { recursive: true });
      await Deno.writeTextFile(guest.path(`ctr/${name}`), `${text}\n`);
    }
    await work(guest, async (name) => (await textOf(guest.path(`ctr/${name}`)))?.trim());
  });
}

const LIST = { op: "list-tasks" } as const;

Deno.test("list-tasks prints namespaces, and what runs in them by the names of its clients", () =>
  withTasks({
    "default/c1": "RUNNING",
    "default/c2": "RUNNING",
    "default/c2.labels": '"nerdctl/name": "web",',
    "default/c3": "STOPPED",
    "default/c4": "PAUSED",
    "k8s.io/p1": "RUNNING",
    "k8s.io/p1.labels": '"io.kubernetes.pod.name": "db-0",\n"io.cri-containerd.kind": "sandbox",',
    "k8s.io/p2": "RUNNING",
    "k8s.io/p2.labels": '"io.kubernetes.pod.name": "db-0",\n"io.kubernetes.container.name": "postgres",',
    "moby/1f2e": "RUNNING",
  }, async (guest) => {
    assert.deepEqual((await done(guest, LIST)).split("\n").map((line) => line.trimEnd()), [
      "namespace default",
      "task default c1",
      "task default c2 web",
      "task default c4",
      "namespace k8s.io",
      "task k8s.io p2 db-0/postgres",
      "namespace moby",
      "task moby 1f2e",
    ]);
  }));

Deno.test("list-tasks fails when containerd does not answer: silence is not emptiness", () =>
  inFolderGuest(async (guest) => {
    for (const answers of ["exit 1", '[ "$1" = namespaces ] && echo default || exit 1']) {
      guest.programs = await programs(guest, { ctr: `echo "ctr: no socket" >&2; ${answers}` });
      const { ok, output } = await guest.control.perform([LIST]);
      assert.deepEqual([ok, /no socket/.test(output)], [false, true], output);
    }
  }));

Deno.test("end-tasks asks, waits, kills, and takes away what ended, but not in the namespace that is spared", () =>
  withTasks({
    "default/c1": "RUNNING",
    "default/c2": "RUNNING stubborn",
    "default/c3": "STOPPED",
    "moby/c4": "RUNNING",
  }, async (guest, state) => {
    await done(guest, { op: "end-tasks", except: "moby" });
    const states = await Promise.all(["default/c1", "default/c2", "default/c3", "moby/c4"].map(state));
    assert.deepEqual(states, ["gone", "gone", "gone", "RUNNING"]);
    const calls = (await textOf(guest.path("calls")) ?? "").split("\n");
    const kills = calls.filter((call) => call.includes("kill") && call.includes("SIGKILL"));
    assert.deepEqual(kills, ["-n default tasks kill -a -s SIGKILL c2"]);
    await done(guest, { op: "end-tasks", only: "moby" });
    assert.equal(await state("moby/c4"), "gone");
  }));

Deno.test("end-tasks says what does not end", () =>
  withTasks({ "default/c1": "RUNNING deathless" }, async (guest) => {
    const { ok, output } = await guest.control.perform([{ op: "end-tasks", except: "moby" }]);
    assert.deepEqual([ok, output], [false, "These containers of default do not end: c1"]);
  }));

Deno.test("end-tasks does nothing where containerd is down", () =>
  withTasks({ "default/c1": "RUNNING" }, async (guest, state) => {
    await done(guest, { op: "end-tasks", except: "moby" });
    assert.equal(await state("default/c1"), "RUNNING");
  }, false));

Deno.test("end-tasks rests restart policies, and resume-tasks gives them back", () =>
  withTasks({
    "default/c1": "RUNNING",
    "default/c1.labels": '"containerd.io/restart.status": "running",',
    "default/c2": "RUNNING",
    "default/c2.labels": '"nerdctl/name": "web",',
  }, async (guest, state) => {
    await done(guest, { op: "end-tasks", except: "moby" });
    const resting = '"containerd.io/restart.status": "stopped",\n"machine.restart": "running",';
    assert.equal(await state("default/c1.labels"), resting);
    await done(guest, { op: "resume-tasks" });
    assert.equal(await state("default/c1.labels"), '"containerd.io/restart.status": "running",');
    assert.equal(await state("default/c2.labels"), '"nerdctl/name": "web",');
  }));

Deno.test("check-containerd gives containerd's words, and nothing of what it understood", () =>
  inFolderGuest(async (guest) => {
    const path = guest.path("it's new.toml");
    const check = { op: "check-containerd", path } as const;
    const words = '[ "$1 $2 $3 $4" = "--config $0.path config dump" ]';
    const containerd = (rest: string) =>
      programs(guest, {
        containerd: words.replace("$0.path", path) + ` || exit 9; echo "a secret"; ${rest}`,
      });
    guest.programs = await containerd("exit 0");
    assert.equal(await done(guest, check), "");
    guest.programs = await containerd("echo 'cannot convert' >&2; exit 1");
    const { ok, output } = await guest.control.perform([check]);
    assert.deepEqual([ok, output], [false, "cannot convert"]);
  }));

Deno.test("check-plugin succeeds for a plugin that is up, and else says why it is not", () =>
  inFolderGuest(async (guest) => {
    const check = { op: "check-plugin", id: "cri" } as const;
    const plugins = (status: string) =>
      programs(guest, {
        ctr:
          `echo "TYPE ID PLATFORMS STATUS"; echo "io.containerd.grpc.v1    cri    linux/amd64    ${status}    "`,
        systemctl: "echo run1",
        journalctl:
          "echo 'level=info msg=started'; echo 'level=warning msg=\"failed to load plugin cri\" error=\"bad\"'",
      });
    guest.programs = await plugins("ok");
    assert.equal(await done(guest, check), "");
    guest.programs = await plugins("error");
    const { ok, output } = await guest.control.perform([check]);
    assert.equal(ok, false);
    assert.match(
      output,
      /^level=warning msg="failed to load plugin cri".*\ncontainerd runs without its plugin cri$/,
    );
  }));
