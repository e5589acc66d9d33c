import assert from "node:assert/strict";
import type { Draft } from "./change_row.ts";
import { assertConverged } from "./converged.ts";
import { VARIABLES } from "./fields_file.ts";
import type { Sandbox } from "./sandbox.ts";

const NAME = "full";

/** Every field that goes into a guest, seen from inside. */
export async function outfit(t: Deno.TestContext, sandbox: Sandbox, file: Draft): Promise<void> {
  const asUser = async (...words: string[]) => (await sandbox.expect(0, ["exec", ...words])).out;
  const asRoot = (script: string) => sandbox.inGuest(NAME, script);

  await t.step("all fields come in one apply, and then nothing differs, in one round trip", async () => {
    const boot = await sandbox.bootId(NAME);
    await sandbox.write({ ...file });
    const { out, err } = await sandbox.expect(0, ["apply", "--yes"]);
    assert.match(out + err, /told/, "what a provision step says is shown");
    await assertConverged(sandbox);
    assert.equal(await sandbox.bootId(NAME), boot);
  });

  for (
    const [where, words] of [
      ["exec", ["env", "-0"]],
      ["a login shell", ["bash", "-lc", "env -0"]],
      ["a login of root's", ["sudo", "-i", "env", "-0"]],
      ["sudo", ["sudo", "bash", "-lc", "env -0"]],
    ] as const
  ) {
    await t.step(`env is in ${where}, every value as it was written`, async () => {
      assert.deepEqual(chosen(await asUser(...words)), VARIABLES);
    });
  }

  await t.step("env is in provision steps, of root and of the user", async () => {
    assert.equal(await asRoot("cat /var/tmp/first"), "vim root");
    const lines = await asRoot("cat /home/ada.guest/env");
    for (const [name, value] of Object.entries(VARIABLES)) {
      assert.ok(lines.split("\n").includes(`${name}=${value}`), name);
    }
  });

  await t.step("files have content, owner and mode, and so have the folders made for them", async () => {
    const stat = (path: string) => asRoot(`stat -c '%a %U:%G %s' ${JSON.stringify(path)}`);
    assert.equal(await stat("/etc/machine-test.d/sub folder/it's"), "640 root:adm 11");
    assert.equal(await stat("/home/ada.guest/.config/tool/rc"), "600 ada:ada 256");
    assert.match(await stat("/home/ada.guest/.config"), /^755 ada:ada/);
    assert.match(await stat("/etc/machine-test.d/sub folder"), /^755 root:root/);
    assert.equal(await asRoot("cat /etc/motd"), "hello");
    assert.equal(await asUser("hi"), "hi\n");
    const bytes = await asRoot("od -An -v -tx1 /home/ada.guest/.config/tool/rc | tr -d ' \\n'");
    assert.equal(bytes, Uint8Array.from({ length: 256 }, (_, index) => index).toHex());
  });

  await t.step(
    "packages, module, kernel parameters and time zone are there, and will be at the next boot",
    async () => {
      assert.match(await asRoot("dpkg-query -W -f '${db:Status-Status}' machine-test-tool"), /^installed/);
      assert.equal(await asRoot("cat /proc/sys/vm/swappiness"), "11");
      assert.match(await asRoot("cat /proc/sys/net/ipv4/ip_local_port_range"), /^20000\s60000$/);
      assert.match(await asRoot("grep -c '^dummy ' /proc/modules"), /1/);
      assert.equal(await asUser("date", "+%Z"), (await asRoot("TZ=America/St_Johns date +%Z")) + "\n");
      assert.equal(
        await asRoot("/usr/lib/systemd/systemd-sysctl --cat-config | grep -c '^vm.swappiness = 11'"),
        "1",
      );
      assert.equal(await asUser("hostname"), "outfitted\n");
    },
  );

  await t.step("steps ran in their order, as whom they should, and their output is kept", async () => {
    assert.equal(await asUser("cat", "/home/ada.guest/second"), "vim root\n");
    assert.equal(await asRoot("stat -c %U /home/ada.guest/second"), "ada");
    assert.equal(await asRoot("cat /var/tmp/third"), "hi");
    assert.match(await asRoot("cat /var/lib/machine/provision/third.log"), /told/);
  });

  await t.step("disks keep what is on them when they go and come back, and grow under it", async () => {
    await asRoot("echo kept >'/srv/a b/deep/file'; sync");
    await sandbox.write({ ...file, vm: { ...file.vm, disks: file.vm.disks.slice(0, 1) } });
    await sandbox.expect(0, ["apply", "--yes"]);
    assert.equal(await asRoot("findmnt -no TARGET '/srv/a b/deep' || echo gone"), "gone");
    assert.equal(await asRoot("[ -e '/srv/a b' ] && echo there || echo gone"), "gone");
    const disks = file.vm.disks.map((disk) => disk.name === "deep" ? { ...disk, size: "256MiB" } : disk);
    await sandbox.write({ ...file, vm: { ...file.vm, disks } });
    await sandbox.expect(0, ["apply", "--yes"]);
    assert.equal(await asRoot("cat '/srv/a b/deep/file'"), "kept");
    assert.ok(Number(await asRoot("findmnt -bno SIZE '/srv/a b/deep'")) > 200 * 2 ** 20);
    file.vm.disks = disks;
    await assertConverged(sandbox);
  });

  await t.step("a user with another number keeps the home, and its files are theirs", async () => {
    file.user.uid = 1300;
    await sandbox.write({ ...file });
    await sandbox.expect(0, ["apply", "--yes"]);
    assert.equal(
      await asUser("sh", "-c", "id -u; stat -c %u ~ ~/second ~/.config/tool/rc"),
      "1300\n1300\n1300\n1300\n",
    );
    await asRoot("rm /home/ada.guest/second");
    await sandbox.expect(0, ["apply", "--yes"]);
    assert.equal(
      await asRoot("stat -c %u /home/ada.guest/second"),
      "1300",
      "the step runs under the new number",
    );
    await assertConverged(sandbox);
  });
}

/** A package from Debian itself, where a mirror can be reached from the guest. */
export async function installFromDebian(t: Deno.TestContext, sandbox: Sandbox, plain: Draft): Promise<void> {
  const tool = "hello";
  const update =
    "apt-get -q -o APT::Update::Error-Mode=any -o Acquire::http::Timeout=20 update >/dev/null 2>&1";
  const isReachable = await sandbox.inGuest(NAME, `${update} && echo yes || echo no`, 300_000) === "yes";
  const reason = isReachable ? "" : " (skipped: the guest reaches no mirror)";
  await t.step({
    name: `a package comes from Debian through apt, and goes with what came with it${reason}`,
    ignore: !isReachable,
    fn: async () => {
      await sandbox.write({ ...plain, packages: { install: [tool] } });
      await sandbox.expect(0, ["apply", "--yes"]);
      assert.match((await sandbox.expect(0, ["exec", tool])).out, /Hello/);
      await assertConverged(sandbox);
      await sandbox.write({ ...plain });
      await sandbox.expect(0, ["apply", "--yes"]);
      await sandbox.expect(127, ["exec", tool]);
      await assertConverged(sandbox);
    },
  });
}

/** The variables of the file among all, from `env -0`. */
function chosen(environment: string): Record<string, string> {
  const rows = environment.split("\0").map((
    row,
  ) => [row.slice(0, row.indexOf("=")), row.slice(row.indexOf("=") + 1)]);
  return Object.fromEntries(Object.keys(VARIABLES).flatMap((name) => rows.filter(([key]) => key === name)));
}
