/** Something that a person does in a guest, as root, and the address that then differs. */
export interface HandEdit {
  readonly what: string;
  readonly script: string;
  readonly address: string;
  /** What the plan says of it: of a path, or as the reason to make it again. */
  readonly said?: RegExp;
}

const MOTD = "file:/etc/motd";
const HI = "file:/usr/local/bin/hi";
const ODD = "file:/etc/machine-test.d/sub folder/it's";
const RC = "file:/home/ada.guest/.config/tool/rc";
const RANGE = "sysctl:net.ipv4.ip_local_port_range";
const SWAPPINESS = "sysctl:vm.swappiness";

/** Edits of everything that the full file puts into a guest. */
export const HAND_EDITS: readonly HandEdit[] = [
  { what: "a line added to a file", script: "echo more >>/etc/motd", address: MOTD },
  { what: "a file emptied", script: ": >/etc/motd", address: MOTD },
  { what: "a file removed", script: "rm /usr/local/bin/hi", address: HI },
  { what: "a file made not executable", script: "chmod 644 /usr/local/bin/hi", address: HI },
  {
    what: "a file given to somebody else",
    script: "chown nobody '/etc/machine-test.d/sub folder/it'\\''s'",
    address: ODD,
  },
  { what: "the folder of a file removed", script: "rm -r /etc/machine-test.d", address: ODD },
  {
    what: "a file of the user's opened to all",
    script: "chmod 666 /home/ada.guest/.config/tool/rc",
    address: RC,
  },
  {
    what: "a file replaced by a link",
    script: "ln -sf /etc/hosts /home/ada.guest/.config/tool/rc",
    address: RC,
  },
  { what: "a kernel parameter changed", script: "echo 77 >/proc/sys/vm/swappiness", address: SWAPPINESS },
  {
    what: "a kernel parameter taken out of the boot",
    script: "rm /etc/sysctl.d/90-machine-vm.swappiness.conf",
    address: SWAPPINESS,
  },
  {
    what: "a range changed",
    script: "echo '30000 40000' >/proc/sys/net/ipv4/ip_local_port_range",
    address: RANGE,
  },
  { what: "a module unloaded", script: "modprobe -r dummy", address: "module:dummy" },
  {
    what: "a module taken out of the boot",
    script: "rm /etc/modules-load.d/machine-dummy.conf",
    address: "module:dummy",
  },
  { what: "a variable changed", script: "sed -i 's/vim/emacs/' /etc/environment", address: "env" },
  { what: "the variables removed", script: "rm /etc/profile.d/machine.sh", address: "env" },
  { what: "another time zone", script: "ln -sf /usr/share/zoneinfo/UTC /etc/localtime", address: "timezone" },
  { what: "another host name", script: "echo theirs >/proc/sys/kernel/hostname", address: "hostname" },
  { what: "another shell", script: "usermod -s /bin/sh ada", address: "user:ada" },
  { what: "no sudo any more", script: "rm /etc/sudoers.d/machine", address: "user:ada" },
  { what: "the key of the user removed", script: "rm /etc/ssh/authorized_keys.d/ada", address: "user:ada" },
  { what: "a package removed", script: "dpkg -P machine-test-tool", address: "package:machine-test-tool" },
  { what: "a disk unmounted", script: "umount /mnt/scratch", address: "disk:scratch" },
  {
    what: "the mount of a disk taken out of the boot",
    script: "umount /mnt/scratch; rm /etc/systemd/system/mnt-scratch.mount; systemctl daemon-reload",
    address: "disk:scratch",
  },
  { what: "a folder of the host unmounted", script: "umount /mnt/a", address: "mount:/mnt/a" },
  {
    what: "the docker configuration edited",
    script: "echo '{\"debug\": true}' >/etc/docker/daemon.json",
    address: "engine:docker",
  },
  { what: "the user taken out of a group", script: "gpasswd -d ada docker", address: "engine:docker" },
  {
    what: "what a provision step made removed",
    script: "rm /home/ada.guest/second",
    address: "provision:second",
  },
];

/** What tells in a plan that the file is not the one that changed. */
export const OUTSIDE = /changed outside|removed outside/;
