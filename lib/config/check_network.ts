import { type Certificate, derBlocks, holdsPrivateKey, readCertificate } from "../host/certificates.ts";
import { messageOf } from "../host/errors.ts";
import { kindOf, readUpTo } from "../host/input.ts";
import { isPlainAddress, maskedAddress } from "../host/proxy.ts";
import { whyUseless } from "../host/trust.ts";
import type { Declared } from "./declared.ts";
import { type Finding, show } from "./finding.ts";
import type { NormalForm } from "./normal.ts";
import type { Machine } from "./types.ts";

/** A distribution's whole set has a quarter of that. */
const MOST_FILE_BYTES = 2 ** 20;

/** Checks proxies, and the files of authorities on this computer. */
export async function checkNetwork({ machine, declaredAuthorities }: NormalForm): Promise<Finding[]> {
  const files = await Promise.all(declaredAuthorities.map(checkAuthorities));
  return [...checkProxies(machine), ...checkExceptions(machine), ...files.flat()];
}

function checkProxies({ network }: Machine): Finding[] {
  return (["http", "https"] as const).flatMap((key): Finding[] => {
    const address = network.proxy[key];
    if (address === undefined || address === "") return [];
    const path = ["network", "proxy", key];
    const told = show(maskedAddress(address));
    if (!isPlainAddress(address)) {
      return [{
        path,
        message: `${told} is no address that every program understands`,
        remedy: "Write http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, " +
          'with special characters of user and password as in URLs ("@" is %40)',
      }];
    }
    if (/:\d+$/.test(address)) return [];
    const message = `${told} has no port, and programs do not agree on which one it would be`;
    return [{
      path,
      message,
      remedy: `Write ${show(`${maskedAddress(address)}:3128`)}, with the port that it has`,
    }];
  });
}

function checkExceptions({ network }: Machine): Finding[] {
  const wrong = network.proxy.except.flatMap((name): Finding[] => {
    const path = ["network", "proxy", "except"];
    if (name === "*") {
      const remedy = 'Write http: "" and https: "" for no proxy at all';
      return [{ path, message: '"*" would leave nothing for the proxy', remedy }];
    }
    if (name.startsWith("*.")) {
      const remedy = `Write ${show(name.slice(1))}, which is every name below it`;
      return [{ path, message: `${show(name)}: not every program knows stars`, remedy }];
    }
    if (isException(name)) return [];
    const remedy =
      'Write a name ("git.corp.test"), a domain (".corp.test"), an address or a network ("10.0.0.0/8")';
    return [{ path, message: `${show(name)} is no name, address or network`, remedy }];
  });
  return wrong;
}

/** A host, a domain, either with a port, an address, or a network of addresses. */
function isException(name: string): boolean {
  const network = /^([\d.]+|[0-9a-f:]+)\/(\d{1,3})$/i.exec(name);
  if (network) {
    const isSix = network[1]!.includes(":");
    return isAddress(network[1]!) && Number(network[2]) <= (isSix ? 128 : 32);
  }
  return isAddress(name.replace(/^\[(.*)\]$/, "$1")) ||
    /^\.?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*(:\d{1,5})?$/i.test(name);
}

function isAddress(text: string): boolean {
  if (text.includes(":")) return URL.canParse(`http://[${text}]/`);
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(text) && text.split(".").every((part) => Number(part) < 256);
}

async function checkAuthorities({ value, path }: Declared<string>): Promise<Finding[]> {
  try {
    const wrong = await wrongFile(value);
    return wrong ? [{ path, ...wrong }] : [];
  } catch (error) {
    const message = `Cannot read "${value}": ${messageOf(error)}`;
    return [{ path, message, remedy: "Make it readable for you" }];
  }
}

interface Wrong {
  readonly message: string;
  readonly remedy: string;
}

async function wrongFile(file: string): Promise<Wrong | undefined> {
  const kind = await kindOf(file);
  if (kind === "missing") {
    return { message: `The file "${file}" does not exist`, remedy: "Correct the path, or remove it" };
  }
  if (kind !== "file") {
    return { message: `"${file}" is not a regular file`, remedy: "Name a PEM file with certificates" };
  }
  const data = await readUpTo(file, MOST_FILE_BYTES + 1) ?? new Uint8Array();
  if (data.length > MOST_FILE_BYTES) {
    return { message: `"${file}" is larger than 1 MiB`, remedy: "Name a PEM file with certificates" };
  }
  if (holdsPrivateKey(data)) {
    const remedy = "Name a file with the certificate alone: a private key stays where it is";
    return { message: `"${file}" holds a private key`, remedy };
  }
  if (data[0] === 0x30) {
    const remedy = `openssl x509 -inform der -in ${file} -out ${file}.pem makes one`;
    return { message: `"${file}" is no PEM file, but its binary form (DER)`, remedy };
  }
  return wrongCertificates(file, data);
}

function wrongCertificates(file: string, data: Uint8Array): Wrong | undefined {
  let certificates: readonly Certificate[];
  try {
    certificates = derBlocks(data).map(readCertificate);
  } catch (error) {
    const message = `"${file}" holds a certificate that cannot be read: ${messageOf(error)}`;
    return { message, remedy: "Get the file anew" };
  }
  const [first] = certificates;
  if (!first) {
    const remedy = "Name a PEM file: it has a line -----BEGIN CERTIFICATE-----";
    return { message: `"${file}" holds no certificate`, remedy };
  }
  if (certificates.some((certificate) => whyUseless(certificate) === undefined)) return undefined;
  const authority = certificates.find(({ isAuthority }) => isAuthority);
  const remedy = authority
    ? "Get the authority's new certificate"
    : "Name the file of the authority that has signed it";
  const { subject } = authority ?? first;
  return {
    message: `"${file}" holds no authority: of "${subject}", ${whyUseless(authority ?? first)}`,
    remedy,
  };
}
