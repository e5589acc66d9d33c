import { sha256 } from "../../host/files.ts";

/** Ends containers when the machine goes down, as dockerd does for its own. */
export const SHUTDOWN_UNIT = "machine-containers.service";

/** A shim as the kernel names it: 15 bytes of its program's name (proc_pid_comm(5)). */
const SHIM = "containerd-shim";

/**
 * What stops after containerd, whose restart monitor would bring containers back, and before their disk is unmounted.
 * Nobody else asks them to end: their shims outlive containerd, and a first process that does not handle SIGTERM never
 * sees it (pid_namespaces(7)), so that the machine would wait for each of them until it is pulled off the disk.
 */
const TEXT = `[Unit]
Description=machine: ends containers before the machine goes down
Before=containerd.service
RequiresMountsFor=/var/lib/containerd
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=-/bin/sh -c 'all() { none=1; for shim in $$(pgrep -x ${SHIM}); do pkill -$$1 -P $$shim && none=0; done; return $$none; }; \\
  all TERM || exit 0; for i in 1 2 3 4; do sleep 1; all 0 || exit 0; done; all KILL'
TimeoutStopSec=30
[Install]
WantedBy=multi-user.target
`;

/** The unit's file. */
export const SHUTDOWN_FILE = {
  path: `/etc/systemd/system/${SHUTDOWN_UNIT}`,
  content: TEXT,
  mode: "0644",
} as const;

/** Of the unit's file. */
export const SHUTDOWN_HASH = sha256(TEXT);
