import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { UserError } from "../host/errors.ts";

// The types of node that those of ssh2 bring along are older than zstd in node:zlib.
declare module "node:zlib" {
  function zstdDecompressSync(data: Uint8Array): Uint8Array<ArrayBuffer>;
  function zstdCompressSync(data: Uint8Array): Uint8Array<ArrayBuffer>;
}

const ELF = [0x7f, 0x45, 0x4c, 0x46];
const ZSTD = [0x28, 0xb5, 0x2f, 0xfd];
const GZIP = [0x1f, 0x8b];

/**
 * Takes the ELF kernel out of an x86 bzImage, for QEMU to start it at its PVH entry: the guest then need not
 * unpack itself, which takes seconds under emulation.
 * Offsets are those of the boot protocol (Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header").
 * @throws UserError when it is no bzImage of protocol 2.08, or packed in a way not known here
 */
export function extractKernel(bzImage: Uint8Array): Uint8Array {
  const view = new DataView(bzImage.buffer, bzImage.byteOffset, bzImage.byteLength);
  const isBzImage = bzImage.length > 0x260 && view.getUint32(0x202, true) === 0x53726448; // "HdrS"
  if (!isBzImage || view.getUint16(0x206, true) < 0x208) {
    throw new UserError("Cannot read the kernel: it is no bzImage of boot protocol 2.08 or later");
  }
  const setupSectors = bzImage[0x1f1] || 4;
  const start = (setupSectors + 1) * 512 + view.getUint32(0x248, true);
  const payload = bzImage.subarray(start, start + view.getUint32(0x24c, true));
  const kernel = unpack(payload);
  if (!startsWith(kernel, ELF)) throw new UserError("Cannot read the kernel: its payload is no ELF file");
  return kernel;
}

/** An initrd without its compression, which the guest would have to undo. */
export function unpackInitrd(initrd: Uint8Array): Uint8Array {
  return startsWith(initrd, GZIP) ? gunzipSync(initrd) : initrd;
}

function unpack(payload: Uint8Array): Uint8Array {
  // The build of Linux puts the unpacked size, 4 bytes, behind the compressed data (scripts/Makefile.lib, size_append).
  if (startsWith(payload, ZSTD)) return zstdDecompressSync(payload.subarray(0, -4));
  if (startsWith(payload, GZIP)) return gunzipSync(payload);
  const magic = [...payload.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  throw new UserError(`Cannot read the kernel: it is packed in an unknown way ("${magic}")`);
}

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, index) => bytes[index] === byte);
}
