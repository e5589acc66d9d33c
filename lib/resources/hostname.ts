import { changeAt } from "./change.ts";
import { guestKind } from "./guest_kind.ts";
import { ensureIdentity } from "./power.ts";

const KERNEL = "/proc/sys/kernel/hostname";
const FILE = "/etc/hostname";
const HOSTS = "/etc/hosts";
/** The address that Debian gives a host's own name (Debian Reference, 5.1.1). */
const OWN_ADDRESS = "127.0.1.1";

/** The host name: in force, and written where the next boot reads it. */
interface Hostname {
  readonly inForce: string;
  readonly onDisk: string;
  /** The name that /etc/hosts gives to the guest's own address, without which sudo complains. */
  readonly resolved: string;
}

/** The guest's host name, which it is told at every boot and can be changed while it runs. */
export const hostnameKind = guestKind<string, Hostname>({
  kind: "hostname",
  phase: 5,
  path: () => "hostname",
  dependsOn: () => ["vm"],
  desired: ({ machine }) => new Map(machine ? [["hostname", machine.hostname]] : []),
  query: () => ({ files: [KERNEL, FILE, HOSTS] }),
  read({ facts }) {
    const texts: string[] = [];
    for (const fact of [KERNEL, FILE, HOSTS].map((path) => facts.file(path))) {
      if (fact.state === "unknown") return fact;
      texts.push(fact.state === "present" ? fact.value.text.trim() : "");
    }
    const [inForce = "", onDisk = "", hosts = ""] = texts;
    const row = hosts.split("\n").map((line) => line.split(/\s+/)).find(([address]) =>
      address === OWN_ADDRESS
    );
    return { state: "present", owned: true, value: { inForce, onDisk, resolved: row?.[1] ?? "" } };
  },
  compare(desired, observed) {
    const wrong = [observed.inForce, observed.onDisk, observed.resolved].filter((name) => name !== desired);
    return wrong.length === 0 ? [] : [changeAt("hostname", { before: wrong[0], after: desired })];
  },
  expected: (desired) => ({ inForce: desired, onDisk: desired, resolved: desired }),
  async change(name, job) {
    await ensureIdentity(job.world); // the credentials carry it into the next boot
    return { what: "Setting the host name", ops: [{ op: "hostname", name }] };
  },
  // It goes with the system disk: a guest without a name does not exist.
  undoing: () => ({ what: "Leaving the host name", ops: [] }),
});
