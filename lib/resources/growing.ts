import type { Address } from "../plan/types.ts";
import type { Job, World } from "./contract.ts";

/**
 * The size that a disk counts with. It grows in two steps, the disk and then the filesystem on it: as long as the
 * second is not known to be done, it counts with the size that it had before the first.
 */
export function countedMiB(record: World["record"], address: Address, sizeMiB: number): number {
  return Math.min(sizeMiB, record?.growing?.[address] ?? sizeMiB);
}

/** Grows a step's disk and its filesystem; a growth that is cut off is known to be unfinished. */
export async function whileGrowing(
  { step, store }: Job,
  formerMiB: number,
  work: () => Promise<void>,
): Promise<void> {
  const { address } = step;
  const former = countedMiB(store.value, address, formerMiB);
  await store.update({ growing: { ...store.value?.growing, [address]: former } });
  await work();
  const { [address]: _done, ...growing } = store.value?.growing ?? {};
  await store.update({ growing: Object.keys(growing).length === 0 ? undefined : growing });
}
