import type { Machine } from "../config/types.ts";
import type { BaseImage } from "../image/types.ts";
import type { Address } from "../plan/types.ts";
import { UserError } from "../host/errors.ts";
import { ensurePrivateDir, readTextIfPresent, writeAtomic } from "../host/files.ts";
import type { MachineFolder } from "../host/paths.ts";

/** The form of record.json that this program writes; it refuses a newer one. */
const FORMAT_VERSION = 1;

/**
 * What cannot be observed again: identity, choices made once, and what was applied last.
 * Losing it loses nothing of value: the rest is looked at each time.
 */
export interface MachineRecord {
  readonly formatVersion: number;
  readonly name: string;
  /** The file it was last applied from, as named by the user and made absolute; "-" for standard input. */
  readonly origin: string;
  readonly createdAt: string;
  readonly appliedAt?: string;
  /** Set by `stop`: the machine is down because somebody wanted it so. */
  readonly stopped?: boolean;
  readonly mac: string;
  /** The port on the host that leads to the guest's sshd. */
  readonly sshPort?: number;
  readonly dataDiskUuid?: string;
  /** Disks whose growth was begun and is not known to be done, with their size before it in MiB. */
  readonly growing?: Readonly<Record<Address, number>>;
  /** The base image under the system disk, recorded when the disk was made. */
  readonly base?: BaseImage;
  /** The machine as last applied to its end, in normal form. */
  readonly machine?: Machine;
  /** The machine as an apply wants it that has not come to its end, or never did. */
  readonly attempted?: Machine;
  /**
   * Of what each address was last made equal to, which tells an edit of the file from a change outside: an HMAC-SHA-256,
   * since what is wanted may hold a secret that could be guessed.
   */
  readonly applied: Readonly<Record<Address, string>>;
  /** The docker context that was current before ours. */
  readonly previousContext?: string;
  /** The last start's time from QEMU's start to a command's answer. */
  readonly bootMs?: number;
  /** Set by `delete`: only the data disk is left, since then. */
  readonly dataKeptAt?: string;
  /** The key of the fingerprints, in hex. It stands in a file of its own, so that the record alone tells nothing. */
  readonly fingerprintKey: string;
}

/** What a machine is taken for when no file says it: as last applied, else as the first apply wanted it. */
export function settingsOf(record: MachineRecord): Machine | undefined {
  return record.machine ?? record.attempted;
}

/** Reads a machine's record. `undefined` when there is none. @throws UserError when a newer program wrote it */
export async function readRecord(folder: MachineFolder): Promise<MachineRecord | undefined> {
  const text = await readTextIfPresent(folder.record);
  if (text === undefined) return undefined;
  const record = parseRecord(text, folder.record);
  if (record.formatVersion > FORMAT_VERSION) {
    throw new UserError(
      `${folder.record} was written by a newer version of machine (format ${record.formatVersion})`,
      {
        hint: "Update machine",
      },
    );
  }
  return { ...record, fingerprintKey: await readTextIfPresent(folder.fingerprintKey) ?? randomKey() };
}

function parseRecord(text: string, path: string): MachineRecord {
  const damaged = (how: string, cause?: unknown) =>
    new UserError(`${path} is damaged: ${how}`, {
      cause,
      hint: "Move it away and apply again: disks and keys beside it are found and used as they are",
    });
  let record: Partial<MachineRecord> | null;
  try {
    record = JSON.parse(text) as Partial<MachineRecord> | null;
  } catch (cause) {
    throw damaged("it is not JSON", cause);
  }
  const { formatVersion, name, origin, mac, applied } = record ?? {};
  const isWhole = [name, origin, mac].every((value) => typeof value === "string") &&
    typeof applied === "object" && applied !== null;
  if (typeof formatVersion !== "number" || formatVersion <= FORMAT_VERSION && !isWhole) {
    throw damaged("it holds no machine");
  }
  return record as MachineRecord;
}

/** A record that is on disk before what depends on it happens. */
export class RecordStore {
  readonly #folder: MachineFolder;
  #value: MachineRecord | undefined;

  constructor(folder: MachineFolder, value: MachineRecord | undefined) {
    this.#folder = folder;
    this.#value = value;
  }

  /** The record as it stands on disk. */
  get value(): MachineRecord | undefined {
    return this.#value;
  }

  /** Makes the record, and the machine's folder, when there is none. */
  async ensure(name: string, origin: string): Promise<MachineRecord> {
    return this.#value ?? await this.#write({
      formatVersion: FORMAT_VERSION,
      name,
      origin,
      createdAt: new Date().toISOString(),
      mac: randomMac(),
      applied: {},
      fingerprintKey: randomKey(),
    });
  }

  /** Changes some of it; a key given as `undefined` goes. Writes only when something differs. */
  async update(
    patch: { readonly [K in keyof MachineRecord]?: MachineRecord[K] | undefined },
  ): Promise<MachineRecord> {
    if (!this.#value) throw new Error(`No record of ${this.#folder.name} to update`);
    const next = JSON.parse(JSON.stringify({ ...this.#value, ...patch })) as MachineRecord;
    return JSON.stringify(next) === JSON.stringify(this.#value) ? this.#value : await this.#write(next);
  }

  async #write(record: MachineRecord): Promise<MachineRecord> {
    await ensurePrivateDir(this.#folder.root);
    const { fingerprintKey, ...told } = record;
    if (await readTextIfPresent(this.#folder.fingerprintKey) !== fingerprintKey) {
      await writeAtomic(this.#folder.fingerprintKey, fingerprintKey);
    }
    await writeAtomic(this.#folder.record, JSON.stringify(told, null, 2) + "\n");
    this.#value = record;
    return record;
  }
}

/** As long as the hash (RFC 2104, 3). */
function randomKey(): string {
  return crypto.getRandomValues(new Uint8Array(32)).toHex();
}

/** A locally administered unicast address under QEMU's own prefix (IEEE 802, bit 1 of the first byte). */
function randomMac(): string {
  const tail = crypto.getRandomValues(new Uint8Array(3));
  return ["52", "54", "00", ...[...tail].map((byte) => byte.toString(16).padStart(2, "0"))].join(":");
}
