/** A file that every image gets, beyond what its packages bring. */
export interface ImageFile {
  readonly path: string;
  readonly content: string;
  readonly executable?: boolean;
}

/** Address of the guest on QEMU's user network, and of what QEMU offers there (QEMU, "Using the user mode network stack"). */
const NETWORK = { guest: "192.168.5.15/24", host: "192.168.5.2", dns: "192.168.5.3" } as const;

const SSHD = `# Root's keys stand outside every home: a mount over a home must not lock us out.
Match User root
  AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u
Match all
AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u .ssh/authorized_keys
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UseDNS no
MaxSessions 64
MaxStartups 64
PerSourcePenalties no
AcceptEnv LANG LC_* COLORTERM TERM_PROGRAM
AllowStreamLocalForwarding yes
StreamLocalBindUnlink yes
PrintMotd no
PrintLastLog no
X11Forwarding no
Subsystem sftp internal-sftp
`;

/** Root comes for many short commands: no session is registered for it, which spares dbus and logind. */
const PAM_SSHD = `auth     include  common-auth
account  required pam_nologin.so
account  include  common-account
session  required pam_loginuid.so
session  optional pam_keyinit.so force revoke
session  required pam_limits.so
session  required pam_env.so
session  required pam_env.so envfile=/etc/default/locale
session  required pam_permit.so
session  [success=1 default=ignore] pam_succeed_if.so quiet uid = 0
session  substack common-session
password include  common-password
`;

/**
 * Debian's unit checks the configuration in a process of its own first, and waits for the whole of the early boot.
 * All that sshd needs is its keys and the address, so it answers while the rest is still coming up.
 */
const SSH_SERVICE = `[Unit]
Description=OpenSSH server
Documentation=man:sshd(8)
DefaultDependencies=no
Requires=machine-setup.service
After=machine-setup.service
Before=shutdown.target
Conflicts=shutdown.target

[Service]
Type=notify
ExecStart=/usr/sbin/sshd -D
ExecReload=/bin/kill -HUP $MAINPID
KillMode=process
Restart=on-failure
RestartPreventExitStatus=255
RuntimeDirectory=sshd
RuntimeDirectoryMode=0755
RuntimeDirectoryPreserve=yes

[Install]
WantedBy=multi-user.target
`;

const SETUP_SERVICE = `[Unit]
Description=Identity and address of the machine
DefaultDependencies=no
Wants=network.target
Before=network-pre.target network.target network-online.target systemd-tmpfiles-setup.service shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/lib/machine/setup

[Install]
WantedBy=sysinit.target network-online.target
`;

/** The credential is also carried out by systemd-tmpfiles-setup.service, but after much that nobody waits for. */
const SETUP_SCRIPT = `#!/bin/sh
set -e
credential=/run/credentials/@system/tmpfiles.extra
set -- /usr/lib/machine/devices.conf
if [ -e "$credential" ]; then set -- "$@" "$credential"; fi
systemd-tmpfiles --create "$@"
if read -r name </etc/hostname; then echo "$name" >/proc/sys/kernel/hostname; fi
exec ip -batch /usr/lib/machine/network
`;

/** Opening one of these makes the kernel load its module (Documentation/admin-guide/devices.txt has the numbers). */
const DEVICE_NODES = `c /dev/fuse 0666 root root - 10:229
c /dev/loop-control 0660 root disk - 10:237
d /dev/net 0755 root root - -
c /dev/net/tun 0666 root root - 10:200
`;

const NETWORK_BATCH = `link set eth0 up
address replace ${NETWORK.guest} dev eth0
route replace default via ${NETWORK.host} dev eth0
`;

const GROW_SERVICE = `[Unit]
Description=Grows the root file system to its disk
DefaultDependencies=no
After=ssh.service
Before=shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/lib/systemd/systemd-growfs /

[Install]
WantedBy=multi-user.target
`;

/** Only what a machine has: a PC's hundreds of other devices would each cost a look at every rule. */
const UDEV_TRIGGER = `[Service]
ExecStart=
ExecStart=-/usr/bin/udevadm trigger --action=add --subsystem-match=block --subsystem-match=net --subsystem-match=virtio --subsystem-match=misc --subsystem-match=tty
`;

/**
 * The kernel counts these for each user, and containers are all root's: one node of a cluster alone takes more than
 * the usual 128 instances (kind, "Known issues: Pod errors due to too many open files"). `sysctl` in the file goes first.
 */
const INOTIFY_LIMITS = `fs.inotify.max_user_instances = 8192
fs.inotify.max_user_watches = 1048576
`;

const INITRD = `AUTO_MODULES=no
MICROCODE=no
INCLUDE_MODULES="virtio_blk,ext4,virtio_net,qemu_fw_cfg"
`;

/** Sets of files that go into every image; their content is part of the image's key. */
export const IMAGE_FILES: readonly ImageFile[] = [
  { path: "/etc/ssh/sshd_config.d/10-machine.conf", content: SSHD },
  { path: "/etc/pam.d/sshd", content: PAM_SSHD },
  { path: "/etc/systemd/system/ssh.service", content: SSH_SERVICE },
  { path: "/etc/systemd/system/machine-setup.service", content: SETUP_SERVICE },
  { path: "/usr/lib/machine/setup", content: SETUP_SCRIPT, executable: true },
  // The user's service manager takes seconds to start under emulation: once is enough for many short commands.
  {
    path: "/etc/systemd/logind.conf.d/machine.conf",
    content: "[Login]\nUserStopDelaySec=infinity\n",
  },
  { path: "/usr/lib/machine/devices.conf", content: DEVICE_NODES },
  { path: "/usr/lib/machine/network", content: NETWORK_BATCH },
  { path: "/etc/systemd/system/machine-grow-root.service", content: GROW_SERVICE },
  { path: "/etc/systemd/system/systemd-udev-trigger.service.d/machine.conf", content: UDEV_TRIGGER },
  {
    path: "/etc/systemd/journald.conf.d/machine.conf",
    content: "[Journal]\nStorage=volatile\nRuntimeMaxUse=32M\n",
  },
  // Translations of what packages are: more than a third of what apt-get update would fetch.
  { path: "/etc/apt/apt.conf.d/50machine", content: 'Acquire::Languages "none";\n' },
  { path: "/usr/lib/sysctl.d/60-machine.conf", content: INOTIFY_LIMITS },
  { path: "/etc/resolv.conf", content: `nameserver ${NETWORK.dns}\n` },
  { path: "/etc/hosts", content: "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n" },
  { path: "/etc/default/locale", content: "LANG=C.UTF-8\n" },
  { path: "/etc/fstab", content: "" },
  { path: "/etc/machine-id", content: "" },
];

/** Needed before the kernel is installed, which makes the initrd. */
export const INITRD_FILE: ImageFile = {
  path: "/etc/tiny-initramfs/tiny-initramfs.conf",
  content: INITRD,
};

/** Units that may never run here: of no use in a machine, and each a process or more at every boot. */
export const MASKED_UNITS = [
  "apt-daily.timer",
  "apt-daily-upgrade.timer",
  "dpkg-db-backup.timer",
  "e2scrub_all.timer",
  "e2scrub_reap.service",
  "fstrim.timer",
  "getty.target",
  "getty@.service",
  "serial-getty@.service",
  "modprobe@.service",
  // Compiles a hundred profiles of desktop programs; the container engine loads its own profile itself.
  "apparmor.service",
  "dev-hugepages.mount",
  "dev-mqueue.mount",
  "run-lock.mount",
  "sys-kernel-debug.mount",
  // Device nodes of modules that are not loaded yet: DEVICE_NODES has those that matter.
  "kmod-static-nodes.service",
  "systemd-tmpfiles-setup-dev-early.service",
  "systemd-tmpfiles-setup-dev.service",
  // It starts with "flush ruleset" and would take the container engine's rules along.
  "nftables.service",
  "sshd-keygen.service",
  "systemd-ask-password-console.path",
  "systemd-ask-password-wall.path",
  "systemd-creds.socket",
  "systemd-firstboot.service",
  "systemd-initctl.socket",
  "systemd-journal-flush.service",
  "systemd-pstore.service",
  "systemd-random-seed.service",
  // The kernel has mounted the root writable already.
  "systemd-remount-fs.service",
  "systemd-sysext.socket",
  "systemd-udev-load-credentials.service",
] as const;

/** Programs that systemd runs before anything else to make units of what this image does not have. */
export const MASKED_GENERATORS = [
  "systemd-getty-generator",
  "systemd-gpt-auto-generator",
  "systemd-hibernate-resume-generator",
  "systemd-rc-local-generator",
  "systemd-run-generator",
  "systemd-ssh-generator",
  "systemd-system-update-generator",
  "systemd-sysv-generator",
  "systemd-tpm2-generator",
] as const;

/** Units that are on from the first boot. */
export const ENABLED_UNITS = ["ssh.service", "machine-setup.service", "machine-grow-root.service"] as const;

/** Units that are started once their data disk is mounted, not by the boot itself. */
export const DISABLED_UNITS = [
  "containerd.service",
  "docker.service",
  "docker.socket",
  "ssh.socket",
  "systemd-networkd.service",
] as const;

/**
 * Kernel command line.
 * - `root`: the kernel's name of the first disk; waiting for a link from udev costs seconds under emulation.
 * - `no_timer_check`: on a busy host the emulated timer ticks late, which the kernel's check may take for a broken one.
 * - `panic=-1`: starts again at once. With two emulated CPUs of QEMU 7.2 on a busy host one boot ended in "Oops: int3",
 *   where the kernel was patching its own code; the likely cause is a stale translation of it.
 * - `lsm`: the kernel's list without BPF and the integrity modules; systemd attaching its BPF program took 1.2 s.
 * - `TERM=dumb` goes to systemd, which otherwise asks the serial port for its size.
 */
export const COMMAND_LINE = [
  "root=/dev/vda",
  "rootfstype=ext4",
  "rw",
  "quiet",
  "net.ifnames=0",
  "random.trust_cpu=on",
  "no_timer_check",
  "panic=-1",
  "lsm=landlock,lockdown,yama,apparmor",
  "TERM=dumb",
].join(" ");
