import type { Observed } from "../plan/types.ts";
import { quote } from "../guest/quote.ts";
import { UserError } from "../host/errors.ts";
import { inGuest, type Kind } from "./contract.ts";
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
export const hostnameKind: Kind<string, Hostname> = {
  kind: "hostname",
  phase: 5,
  realm: "guest",
  path: () => "hostname",
  dependsOn: () => ["vm"],
  desired: ({ machine }) => new Map(machine ? [["hostname", machine.hostname]] : []),
  query: () => ({ files: [KERNEL, FILE, HOSTS] }),
  observe(_world, look) {
    const observed = inGuest<Hostname>(look, (facts) => {
      const found = [KERNEL, FILE, HOSTS].map((path) => facts.file(path));
      const texts: string[] = [];
      for (const fact of found) {
        if (fact.state === "unknown") return fact;
        texts.push(fact.state === "present" ? fact.value.text.trim() : "");
      }
      const [inForce = "", onDisk = "", hosts = ""] = texts;
      const row = hosts.split("\n").map((line) => line.split(/\s+/)).find(([address]) =>
        address === OWN_ADDRESS
      );
      return { state: "present", owned: true, value: { inForce, onDisk, resolved: row?.[1] ?? "" } };
    });
    return Promise.resolve(new Map<string, Observed<Hostname>>([["hostname", observed]]));
  },
  compare(desired, observed) {
    const wrong = [observed.inForce, observed.onDisk, observed.resolved].find((name) => name !== desired);
    return wrong === undefined ? [] : [{ path: "hostname", before: wrong, after: desired, effect: "live" }];
  },
  async apply(job, desired) {
    await ensureIdentity(job.world); // the credentials carry it into the next boot
    // sethostname(2) through /proc needs no running hostnamed, which would take a second to start.
    const name = quote(desired);
    const result = await (await job.guest()).run([
      "set -e",
      `printf '%s\\n' ${name} >${FILE}.part; mv -f ${FILE}.part ${FILE}; printf %s ${name} >${KERNEL}`,
      `[ -e ${HOSTS} ] || printf '127.0.0.1 localhost\\n::1 localhost\\n' >${HOSTS}`,
      `{ grep -v '^${OWN_ADDRESS}[[:space:]]' ${HOSTS} || :; printf '${OWN_ADDRESS} %s\\n' ${name}; } >${HOSTS}.part`,
      `chmod 0644 ${HOSTS}.part; mv -f ${HOSTS}.part ${HOSTS}`,
    ].join("\n"));
    if (result.code !== 0) {
      throw new UserError("The guest's host name cannot be set", { output: result.stderr });
    }
  },
  // It goes with the system disk: a guest without a name does not exist.
  undo: () => Promise.resolve(),
};
