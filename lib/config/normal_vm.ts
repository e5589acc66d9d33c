import type { HostFacts } from "../host/system.ts";
import { withoutEndSlash } from "./host_path.ts";
import { type Declared, declaredAt, sortBy } from "./declared.ts";
import type { MachineFile } from "./schema/machine.ts";
import { imageBlock } from "./schema/vm.ts";
import type { Shape } from "./shape.ts";
import type { ExtraDisk, VmSettings } from "./types.ts";

/** The virtual computer with its defaults, which depend on the host. */
export function normalVm({ vm }: MachineFile, host: HostFacts, disks: readonly ExtraDisk[]): VmSettings {
  const image = typeof vm.image === "string" ? imageBlock.parse({ name: vm.image }) : vm.image;
  return {
    arch: vm.arch === "host" ? host.arch : vm.arch,
    accel: vm.accel,
    cpus: vm.cpus ?? Math.min(4, host.cpus),
    memoryMiB: vm.memory ?? Math.min(4096, Math.floor(host.memoryMiB / 2)),
    cpu: vm.cpu,
    image: { name: "debian-13", source: image.source === "build" ? "build" : "auto" },
    diskMiB: vm.disk,
    dataDiskMiB: vm.dataDisk === "none" ? undefined : vm.dataDisk,
    disks: sortBy(disks, (disk) => disk.name),
  };
}

/** The further disks as the file declares them. */
export function declareDisks(shape: Shape): readonly Declared<ExtraDisk>[] {
  return shape.file.vm.disks.map((disk, index) =>
    declaredAt(shape, ["vm", "disks", index], {
      name: disk.name,
      sizeMiB: disk.size,
      format: disk.format,
      target: withoutEndSlash(disk.target),
    })
  );
}
