import { X509Certificate } from "node:crypto";
import { sha256 } from "./files.ts";

/** A certificate as a file holds it. */
export interface Certificate {
  /** SHA-256 of its DER form, in hex. */
  readonly hash: string;
  /** Its name for people, e.g. "Corp Root CA". */
  readonly subject: string;
  /** Whether it may vouch for others (RFC 5280, 4.2.1.9: basicConstraints). */
  readonly isAuthority: boolean;
  /** Whether it vouches for itself, as roots do. */
  readonly isRoot: boolean;
  readonly expiresMs: number;
  /** Its text as OpenSSL writes it, lines of 64 characters (RFC 7468). */
  readonly pem: string;
}

/** OpenSSL's "trusted" form has its own data behind the certificate (x509(1), -trustout). */
const BLOCK =
  /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----([^-]*)-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;

/**
 * The DER form of every certificate in a file, which has them as PEM among any other text, or is one in DER.
 * @throws Error where what stands between the marks is no base64
 */
export function derBlocks(data: Uint8Array): Uint8Array[] {
  if (data[0] === SEQUENCE) return [firstSequence(data)];
  const text = new TextDecoder().decode(data);
  return [...text.matchAll(BLOCK)].map(([, body = ""]) => firstSequence(Uint8Array.fromBase64(body)));
}

/** Reads a certificate. @throws Error when it is damaged */
export function readCertificate(der: Uint8Array): Certificate {
  const pem = pemOf(der);
  const certificate = new X509Certificate(pem);
  return {
    hash: sha256(der),
    subject: nameOf(certificate.subject),
    isAuthority: certificate.ca,
    isRoot: certificate.subject === certificate.issuer,
    expiresMs: Date.parse(certificate.validTo),
    pem,
  };
}

/** Whether a file holds a private key, which has to stay where it is. */
export function holdsPrivateKey(data: Uint8Array): boolean {
  return /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/.test(new TextDecoder().decode(data));
}

/** The tag of an ASN.1 sequence, with which every certificate begins (X.690). */
const SEQUENCE = 0x30;

/** The first value of DER data: its length stands behind its tag (X.690, 8.1.3). */
function firstSequence(der: Uint8Array): Uint8Array {
  const first = der[1] ?? 0;
  if (first < 0x80) return der.slice(0, 2 + first);
  const digits = der.subarray(2, 2 + (first & 0x7f));
  return der.slice(0, 2 + digits.length + digits.reduce((length, digit) => length * 256 + digit, 0));
}

function pemOf(der: Uint8Array): string {
  const lines = der.toBase64().match(/.{1,64}/g) ?? [];
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
}

/** The common name, else the last part that there is; of a line per part, as node:crypto gives it. */
function nameOf(subject: string): string {
  const parts = subject.split("\n").map((line) => {
    const at = line.indexOf("=");
    return [line.slice(0, at), line.slice(at + 1)] as const;
  });
  const [, name] = parts.find(([key]) => key === "CN") ?? parts.at(-1) ?? ["", ""];
  return name.replace(/\p{Cc}/gu, " ") || "without a name";
}
