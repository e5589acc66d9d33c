import { UserError } from "../../host/errors.ts";
import type { Qmp } from "./qmp.ts";

/** Ports that are free when the VM starts, so that disks and shares can be plugged later. */
const SPARE = 12;
/** A PCI slot has eight functions, so eight ports take one slot of the root bus (QEMU docs, pcie.txt). */
const PER_SLOT = 8;
/** The last slot before q35's own chipset; they are taken downwards, and the rest of the bus stays for others. */
const LAST_SLOT = 0x1e;

/** The name of a root port. */
export function portName(index: number): string {
  return `rp${index}`;
}

/**
 * The root ports of a VM that starts with `taken` of them in use (q35's own bus is not hot-pluggable).
 * They need no window for I/O ports: virtio devices behind them have none, and a PC has room for few.
 */
export function rootPortArguments(taken: number): string[] {
  return Array.from({ length: taken + SPARE }, (_, index) => {
    const slot = LAST_SLOT - Math.floor(index / PER_SLOT);
    const address = `multifunction=on,addr=0x${slot.toString(16)}.${index % PER_SLOT}`;
    const numbers = `slot=${index},chassis=${index}`;
    return ["-device", `pcie-root-port,id=${portName(index)},${numbers},${address},io-reserve=0`];
  }).flat();
}

/**
 * A root port without a device, by QEMU's object tree: `query-pci` shows nothing behind a port before the
 * firmware has numbered the buses.
 * @throws UserError when all are taken
 */
export async function findFreePort(qmp: Qmp): Promise<string> {
  const devices = await listNames(qmp, "/machine/peripheral");
  const ports = devices.filter((name) => /^rp\d+$/.test(name));
  ports.sort((a, b) => Number(a.slice(2)) - Number(b.slice(2)));
  for (const port of ports) {
    const onBus = await listNames(qmp, `/machine/peripheral/${port}/${port}`);
    if (!onBus.some((name) => name.startsWith("child["))) return port;
  }
  throw new UserError(`All ${ports.length} ports for plugging devices into the running VM are taken`, {
    hint: "Restart the machine: it starts with a port for every disk, and spare ones",
  });
}

/** The names of what a QOM path has: properties, children and links. */
export async function listNames(qmp: Qmp, path: string): Promise<string[]> {
  const properties = await qmp.execute<readonly { readonly name: string }[]>("qom-list", { path });
  return properties.map(({ name }) => name);
}
