/**
 * Keeps a log from growing without end: above `maxBytes` only its last lines stay. The file is cut in place, since a
 * process appends to it.
 */
export async function cutLog(path: string, maxBytes: number, keepBytes: number): Promise<void> {
  try {
    using file = await Deno.open(path, { read: true, write: true });
    const { size } = await file.stat();
    if (size <= maxBytes) return;
    await file.seek(size - keepBytes, Deno.SeekMode.Start);
    const tail = new Uint8Array(keepBytes);
    const n = await file.read(tail) ?? 0;
    const firstLine = tail.indexOf(10) + 1;
    await file.truncate(0);
    await file.seek(0, Deno.SeekMode.Start);
    await file.write(tail.subarray(firstLine, n));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
