import assert from "node:assert/strict";
import { waitFor } from "../../lib/host/clock.ts";
import { importNode } from "./container_image.ts";
import { pageInGuest } from "./guest_page.ts";
import type { Sandbox } from "./sandbox.ts";

const NAME = "eng";

/** The network that kind makes for its nodes, with IPv6 (kind's `network.go`). */
const NETWORK = ["--ipv6", "--subnet=fc00:f853:ccd:e793::/64", "nodes"];

/** What kind and minikube start their nodes with (kind's `provision.go`, minikube's `oci.go`). */
const LIKE_A_NODE = [
  "--privileged",
  "--security-opt=seccomp=unconfined",
  "--security-opt=apparmor=unconfined",
  "--cgroupns=private",
  "--init=false",
  "--env=container=docker",
  "--memory=512m",
  "--memory-swap=512m",
  "--cpus=2",
  "--network=nodes",
  "--hostname=node",
  "--tmpfs=/run",
  "--tmpfs=/tmp",
  "--volume=/var",
  "--volume=/usr:/usr:ro",
  "--volume=/lib/modules:/lib/modules:ro",
];

/** What clusters in containers stand on: a system of its own in a container, with containers of its own. */
export async function runClusters(t: Deno.TestContext, sandbox: Sandbox): Promise<void> {
  const inNode = (...words: string[]) => sandbox.docker(["exec", "node", ...words]);

  await t.step(
    "systemd runs as the first process of a privileged container, with all its units",
    async () => {
      await importNode(sandbox);
      await sandbox.docker(["network", "create", ...NETWORK]);
      const words = ["--publish=8085:8085", "--add-host=host.docker.internal:host-gateway"];
      const systemd = ["node", "/usr/lib/systemd/systemd"];
      await sandbox.docker(["run", "-d", "--name", "node", ...LIKE_A_NODE, ...words, ...systemd]);
      await waitForSystem(sandbox);
      assert.equal(await inNode("systemd-run", "--wait", "--pipe", "-q", "echo", "hi"), "hi");
    },
  );

  await t.step("a containerd of its own runs containers in it, with limits, on overlayfs", async () => {
    await sandbox.inGuest(NAME, "docker save bb | docker exec -i node ctr images import -");
    const run = ["run", "-d", "--net-host", "--memory-limit=67108864", "--cgroup=/inner"];
    const serve = ["busybox", "httpd", "-f", "-p", "8085", "-h", "/bin"];
    await inNode("ctr", ...run, "docker.io/library/bb:latest", "inner", ...serve);
    assert.match(await inNode("ctr", "tasks", "ls"), /^inner +\d+ +RUNNING/m);
    assert.match(
      await inNode("cat", "/proc/mounts"),
      /^overlay \/run\/containerd\/.*\/inner\/rootfs overlay/m,
    );
    assert.equal(await inNode("cat", "/sys/fs/cgroup/inner/memory.max"), "67108864");
  });

  await t.step("what runs in it is reached at the port that the outer container publishes", async () => {
    assert.match(await pageInGuest(sandbox, NAME, "127.0.0.1:8085/none"), /404 Not Found/);
  });

  await t.step("host.docker.internal is this computer, its loopback too", async () => {
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      () => new Response("the host"),
    );
    const url = `http://host.docker.internal:${server.addr.port}/`;
    // k3d asks for Docker's own init.
    const words = ["run", "--rm", "--init", "--add-host=host.docker.internal:host-gateway", "bb"];
    assert.equal(await sandbox.docker([...words, "busybox", "wget", "-qO-", url]), "the host");
    assert.match(await inNode("cat", "/etc/hosts"), /^192\.168\.5\.2\s+host\.docker\.internal$/m);
  });

  await t.step("the kernel has what a cluster's nodes ask of it", async () => {
    // kind's "known issues" name these two limits; each node watches hundreds of files.
    const limits = await inNode(
      "sh",
      "-c",
      "cd /proc/sys/fs/inotify && cat max_user_instances max_user_watches",
    );
    const [instances, watches] = limits.split("\n").map(Number);
    assert.ok(instances! >= 512 && watches! >= 524_288, limits);
    assert.equal(await sandbox.inGuest(NAME, "cat /proc/sys/net/bridge/bridge-nf-call-iptables"), "1");
    await sandbox.docker(["rm", "-f", "-v", "node"]);
    await sandbox.docker(["network", "rm", "nodes"]);
  });
}

/** Waits until systemd in the node has started all that it starts; before that it cannot be asked at all. */
async function waitForSystem(sandbox: Sandbox): Promise<void> {
  let state = "";
  const running = await waitFor(async () => {
    const ended = await sandbox.run(["docker", "exec", "node", "systemctl", "is-system-running", "--wait"]);
    state = ended.out + ended.err;
    return ended.code === 0 || undefined;
  }, { timeoutMs: 180_000 });
  assert.ok(running, state + await sandbox.docker(["exec", "node", "systemctl", "--no-pager", "--failed"]));
}
