import type { Draft } from "./change_row.ts";
import { NOTHING_INHERITED } from "./sandbox.ts";

/** Values that a careless quotation would spoil. */
export const VARIABLES: Readonly<Record<string, string>> = {
  EDITOR: "vim",
  SENTENCE: 'it\'s a "quoted" word,  two blanks',
  PRICE: "$HOME costs 5$ and `date` \\n",
  UNICODE: "grüße 日本",
  EMPTY: "",
};

/** The machine before anything of it is said. */
export function plainFile(folder: string): Draft {
  return {
    apiVersion: "machine/v1",
    name: "full",
    vm: { cpus: 2, memory: "1GiB", disk: "5GiB", dataDisk: "3GiB", disks: [] },
    user: { name: "ada", uid: 1200 },
    mounts: [{ source: folder, target: "/mnt/a" }],
    env: {},
    packages: { install: [] },
    files: [],
    sysctl: {},
    modules: [],
    network: NOTHING_INHERITED,
    runtime: { engine: "docker", docker: { daemon: {}, context: {} } },
    provision: [],
    ssh: {},
  };
}

/** The same machine with everything that goes into a guest. */
export function fullFile(folder: string): Draft {
  return {
    ...plainFile(folder),
    hostname: "outfitted",
    timezone: "America/St_Johns",
    vm: {
      ...plainFile(folder).vm,
      disks: [
        { name: "scratch", size: "64MiB", target: "/mnt/scratch" },
        { name: "deep", size: "32MiB", target: "/srv/a b/deep" },
      ],
    },
    env: { ...VARIABLES },
    // One that is in every image, and one that is in none.
    packages: { install: ["sudo", "machine-test-tool"] },
    files: [
      { path: "/etc/motd", content: "hello\n" },
      {
        path: "/etc/machine-test.d/sub folder/it's",
        content: "no line end",
        mode: "0640",
        owner: "root:adm",
      },
      { path: "/home/ada.guest/.config/tool/rc", source: `${folder}/binary`, owner: "ada:ada", mode: "0600" },
      { path: "/usr/local/bin/hi", content: "#!/bin/sh\necho hi\n", mode: "0755" },
      { path: "/etc/stays", content: "ours\n" },
    ],
    sysctl: { "vm.swappiness": 11, "net.ipv4.ip_local_port_range": "20000 60000" },
    modules: ["dummy"],
    runtime: {
      engine: "docker",
      docker: { daemon: { "registry-mirrors": ["https://a.example"] }, context: {} },
    },
    provision: [
      { name: "first", run: 'echo "$EDITOR $(id -un)" >/var/tmp/first' },
      {
        name: "second",
        run: "cat /var/tmp/first /mnt/scratch/lost+found/none 2>/dev/null >~/second || :; env >~/env",
        check: "test -s ~/second",
        as: "user",
      },
      { name: "third", run: "hi >/var/tmp/third\necho told", when: "changed" },
    ],
  };
}
