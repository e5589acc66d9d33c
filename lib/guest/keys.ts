import { generateKeyPairSync, randomBytes } from "node:crypto";
import { Buffer } from "node:buffer";

/** A key pair in OpenSSH's formats. */
export interface KeyPair {
  /** Content of a private key file (`-----BEGIN OPENSSH PRIVATE KEY-----`), without a passphrase. */
  readonly privateKey: string;
  /** One line for `authorized_keys` or `known_hosts`, ended by "\n". */
  readonly publicKey: string;
}

const TYPE = "ssh-ed25519";
/** Padding of an unencrypted private section goes up to a multiple of this (OpenSSH, PROTOCOL.key). */
const BLOCK_BYTES = 8;

/**
 * Makes an ed25519 key pair without starting a process; `comment` tells people what the key is for.
 * The generator of ssh2 is no substitute: it drops leading zero bytes of the public key, which every 256th key has,
 * and OpenSSH then refuses the pair.
 */
export function makeKeyPair(comment: string): KeyPair {
  const { x, d } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  const publicPart = Buffer.from(x ?? "", "base64url");
  const seed = Buffer.from(d ?? "", "base64url");
  const publicBlob = Buffer.concat([sshString(TYPE), sshString(publicPart)]);
  return {
    privateKey: armor(privateBlob({ publicBlob, publicPart, seed, comment })),
    publicKey: `${TYPE} ${publicBlob.toString("base64")} ${comment}\n`,
  };
}

/** The `openssh-key-v1` format (OpenSSH, PROTOCOL.key), for one key and no cipher. */
function privateBlob(
  key: { publicBlob: Uint8Array; publicPart: Uint8Array; seed: Uint8Array; comment: string },
): Uint8Array {
  const check = randomBytes(4);
  const section = Buffer.concat([
    check,
    check, // twice, by which a wrong passphrase would be noticed
    sshString(TYPE),
    sshString(key.publicPart),
    sshString(Buffer.concat([key.seed, key.publicPart])),
    sshString(key.comment),
  ]);
  const padding = Buffer.from(
    Array.from(
      { length: (BLOCK_BYTES - section.length % BLOCK_BYTES) % BLOCK_BYTES },
      (_, index) => index + 1,
    ),
  );
  return Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    sshString("none"), // cipher
    sshString("none"), // key derivation
    sshString(""), // its options
    uint32(1), // number of keys
    sshString(key.publicBlob),
    sshString(Buffer.concat([section, padding])),
  ]);
}

function armor(blob: Uint8Array): string {
  const lines = Buffer.from(blob).toString("base64").match(/.{1,70}/g) ?? [];
  return ["-----BEGIN OPENSSH PRIVATE KEY-----", ...lines, "-----END OPENSSH PRIVATE KEY-----", ""].join(
    "\n",
  );
}

/** A string of the ssh protocol: its length, then its bytes (RFC 4251, 5). */
function sshString(value: string | Uint8Array): Uint8Array {
  const bytes = typeof value === "string" ? Buffer.from(value) : value;
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function uint32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
