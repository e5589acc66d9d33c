import assert from "node:assert/strict";
import { join } from "node:path";

/** PEM files of an authority made for a test, and of a certificate that it vouches for. */
export interface CertificateFiles {
  readonly authority: string;
  readonly certificate: string;
  /** The certificate's private key. */
  readonly key: string;
}

/** What a certificate is for. */
export interface CertificateNames {
  /** The authority's subject. */
  readonly authority: string;
  /** Names and addresses as OpenSSL writes them, e.g. `DNS:registry.test`, `IP:192.168.5.15`. */
  readonly subjects: readonly string[];
}

const USUAL: CertificateNames = { authority: "Test Authority", subjects: ["DNS:localhost"] };

/**
 * Makes an authority and a certificate of it, with the program openssl: nothing that Deno has can sign one.
 * @param folder where the files are put; it has to exist
 */
export async function makeCertificates(folder: string, names = USUAL): Promise<CertificateFiles> {
  const at = (name: string) => join(folder, name);
  const files = { authority: at("ca.pem"), certificate: at("cert.pem"), key: at("key.pem") };
  const fresh = [
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-days",
    "30",
  ];
  await openssl([
    ...fresh,
    ...["-subj", `/CN=${names.authority}`, "-keyout", at("ca-key.pem"), "-out", files.authority],
    ...["-addext", "keyUsage=critical,keyCertSign,cRLSign"],
  ]);
  await openssl([
    ...fresh,
    ...["-CA", files.authority, "-CAkey", at("ca-key.pem")],
    ...["-subj", "/CN=test", "-keyout", files.key, "-out", files.certificate],
    ...[
      "-addext",
      `subjectAltName=${names.subjects.join(",")}`,
      "-addext",
      "basicConstraints=critical,CA:FALSE",
    ],
  ]);
  return files;
}

async function openssl(args: readonly string[]): Promise<void> {
  const command = new Deno.Command("openssl", {
    args: [...args],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  });
  const { code, stderr } = await command.output();
  assert.equal(code, 0, `openssl ${args.join(" ")}\n${new TextDecoder().decode(stderr)}`);
}
