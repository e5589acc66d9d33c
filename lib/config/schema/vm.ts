import { z } from "zod";
import { keysOf } from "./field.ts";
import { size, sizeOrNone, text, word } from "./values.ts";

const key = keysOf({ effect: "restart", support: "yes" });
const later = keysOf({ effect: "restart", support: "later" });
const made = keysOf({ effect: "recreate", support: "yes" });
const madeLater = keysOf({ effect: "recreate", support: "later" });

/** A short name, also for folders, disks and steps. */
export const NAME = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/;
export const NAME_RULE = "1 to 40 lower-case letters, digits and inner hyphens";

const imageName = text(/^[a-z0-9][a-z0-9.-]*$/, 'the name of an image, e.g. "debian-13"');

/** The long form of `vm.image`. */
export const imageBlock = z.strictObject({
  name: made(imageName.optional(), "An image that machine knows how to make", {
    supported: ["debian-13"],
    defaultNote: "debian-13",
  }),
  source: made(
    z.enum(["auto", "build", "download"]).default("auto"),
    "Where a named image comes from: built on this host from its apt sources, or the distribution's download",
    { supported: ["auto", "build"] },
  ),
  url: madeLater(z.url({ protocol: /^https?$/ }).optional(), "A disk image to download"),
  digest: madeLater(
    text(/^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$/, "sha256: or sha512: and the digest in hex").optional(),
    "The checksum that the download must have",
  ),
  path: madeLater(word().optional(), "A disk image on this host"),
  kernel: madeLater(word().optional(), "The kernel to boot an own image with"),
  initrd: madeLater(word().optional(), "The initial ramdisk to boot an own image with"),
}).refine((image) => [image.name, image.url, image.path].filter((it) => it !== undefined).length <= 1, {
  error: 'Must have only one of "name", "url" and "path"',
});

const live = keysOf({ effect: "live", support: "yes" });

const disk = z.strictObject({
  name: live(text(NAME, NAME_RULE), "Names the disk; also the name of its file", {
    effect: { add: "live", remove: "live" },
  }),
  size: live(size(), "How much it can hold", { effect: { grow: "live", shrink: "data-loss" } }),
  format: live(z.enum(["ext4"]).default("ext4"), "Its filesystem, made once", { effect: "data-loss" }),
  target: live(word(), "Where the guest mounts it"),
});

/** `vm`: the virtual computer. */
export const vmBlock = z.strictObject({
  driver: made(z.enum(["qemu"]).default("qemu"), "What runs the virtual machine"),
  arch: made(
    z.enum(["host", "x86_64", "aarch64"]).default("host"),
    "The processor architecture of the guest; for now that of the host",
  ),
  accel: key(
    z.enum(["auto", "kvm", "hvf", "tcg"]).default("auto"),
    "How the guest's instructions run: by KVM, Apple's Hypervisor.framework, or emulated (tcg); auto takes the first that is proven to work",
  ),
  cpus: key(z.int().min(1).optional(), "Processors of the guest", {
    defaultNote: "4, or all that the host has",
  }),
  memory: key(size().optional(), "Memory of the guest", { defaultNote: "4GiB, or half of the host's" }),
  cpu: key(
    text(/^[A-Za-z0-9][\w.+=,:-]*$/, 'auto or a QEMU CPU model, e.g. "max,-cx16"').default("auto"),
    "The processor model, with QEMU's names and flags",
  ),
  image: made(
    z.union([imageName, imageBlock]).prefault("debian-13"),
    "The system that the machine's disk starts from; a bare name is short for {name: …}",
    { supported: ["debian-13"], merge: "replace" },
  ),
  disk: made(size().prefault("20GiB"), "The system disk: what it can hold, not what it takes", {
    effect: { grow: "live", shrink: "recreate" },
  }),
  dataDisk: made(
    sizeOrNone().prefault("60GiB"),
    "The disk that keeps images, volumes and home folders when the system disk is made anew; none for no such disk",
    { effect: { grow: "live", shrink: "data-loss", attach: "restart", none: "data-loss" } },
  ),
  disks: live(
    z.array(disk).default([]),
    "Further disks, at most 8; a disk that is taken out keeps its file",
    {
      effect: { add: "live", remove: "live", delete: "data-loss" },
      identity: ["name"],
    },
  ),
  nested: later(z.boolean().default(false).optional(), "Lets the guest run virtual machines of its own"),
  extraArgs: later(z.array(z.string()).optional(), "Further arguments for QEMU, at your own risk"),
});
