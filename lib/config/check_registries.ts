import { derBlocks, holdsPrivateKey, readCertificate } from "../host/certificates.ts";
import { messageOf } from "../host/errors.ts";
import { kindOf, readUpTo } from "../host/input.ts";
import { type Finding, show } from "./finding.ts";
import type { NormalForm } from "./normal.ts";
import type { Path } from "./path.ts";
import type { Engine, Registry } from "./types.ts";

/** Certificates and keys are small; a file of this size is something else. */
const MOST_BYTES = 2 ** 20;

/** Other names of Docker's own registry, none of which images are looked up by (distribution/reference). */
const HUB_NAMES = new Set(["hub.docker.com", "index.docker.io", "registry-1.docker.io"]);

/** Checks every registry: its name, and what the chosen engine can make of its keys. */
export async function checkRegistries(form: NormalForm): Promise<Finding[]> {
  const { machine } = form;
  const { registries, engine } = machine.runtime;
  const findings = await Promise.all(registries.map(async (registry): Promise<Finding[]> => {
    const at = ["runtime", "registries", registry.host];
    return [
      ...checkHost(registry.host, at),
      ...checkMirrors(registry, engine, at),
      ...(engine === "docker" ? checkHub(registry, at) : []),
      ...await checkCertificates(registry, at),
    ];
  }));
  return [...findings.flat(), ...checkLoginFiles(form)];
}

/** The first part of an image's name, which is a host only with a dot or a port in it (distribution/reference). */
const HOST =
  /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:]+\])(?::\d{1,5})?$/;

function checkHost(host: string, path: Path): Finding[] {
  const found = (message: string, remedy: string): Finding[] => [{ path, at: "key", message, remedy }];
  const bare = host.replace(/^[a-z]+:\/\//i, "").replace(/\/.*$/, "").toLowerCase();
  if (HUB_NAMES.has(bare)) return found(`${show(host)} is no name that images have`, 'Write "docker.io"');
  if (!HOST.test(host)) {
    const remedy = HOST.test(bare)
      ? `Write "${bare}"`
      : 'Write it as in an image\'s name, e.g. "localhost:5000"';
    return found(`${show(host)} is no host of a registry`, remedy);
  }
  if (Number(/:(\d+)$/.exec(host)?.[1] ?? 1) > 65535) {
    return found(`${show(host)} has a port that does not exist`, "Write a port from 1 to 65535");
  }
  if (/[.:]/.test(host) || host === "localhost") return [];
  const image = `${host}/app`;
  return found(
    `"${host}" has neither a dot nor a port: an image "${image}" is looked for at docker.io`,
    `Write its full name, or its port, e.g. "${host}:443"`,
  );
}

function checkMirrors({ host, mirrors }: Registry, engine: Engine, at: Path): Finding[] {
  const path = [...at, "mirrors"];
  if (engine === "docker" && host !== "docker.io" && mirrors.length > 0) {
    return [{
      path,
      message: `dockerd has mirrors of docker.io alone, not of "${host}"`,
      remedy: 'Use "engine: containerd", or name the mirror in the images themselves',
    }];
  }
  return mirrors.flatMap((mirror, index): Finding[] => {
    const { username, password, search, hash } = new URL(mirror);
    const wrong = username !== "" || password !== ""
      ? [
        "holds a login, which engines refuse",
        'Remove it, and use "credentials: host" for the mirror\'s host',
      ]
      : search !== "" || hash !== ""
      ? ["has more than an address", 'Remove what begins with "?" or "#"']
      : undefined;
    if (!wrong) return [];
    // A login is a secret: the address is shown without it.
    const shown = mirror.replace(/\/\/[^/@]*@/, "//***@");
    return [{ path: [...path, index], message: `The mirror "${shown}" ${wrong[0]}`, remedy: wrong[1]! }];
  });
}

/** dockerd talks to docker.io as it is built to, and takes nothing of this from its configuration (moby's registry). */
function checkHub({ host, insecure, certificates }: Registry, at: Path): Finding[] {
  if (host !== "docker.io") return [];
  const remedy = "Give it to the host of the mirror, as a registry of its own";
  return [
    ...(insecure ? [{ path: [...at, "insecure"], message: '"docker.io" is always secure', remedy }] : []),
    ...(Object.keys(certificates).length > 0
      ? [{ path: [...at, "certificates"], message: 'dockerd takes no certificates for "docker.io"', remedy }]
      : []),
  ];
}

async function checkCertificates({ certificates }: Registry, at: Path): Promise<Finding[]> {
  const path = [...at, "certificates"];
  const { cert, key } = certificates;
  const findings = await Promise.all(
    (["ca", "cert", "key"] as const).map(async (name): Promise<Finding[]> => {
      const file = certificates[name];
      const wrong = file === undefined ? undefined : await wrongFile(file, name);
      return wrong ? [{ path: [...path, name], ...wrong }] : [];
    }),
  );
  const lonely: Finding[] = (cert === undefined) === (key === undefined) ? [] : [{
    path: [...path, cert === undefined ? "key" : "cert"],
    message: `"${cert === undefined ? "key" : "cert"}" is of no use without "${
      cert === undefined ? "cert" : "key"
    }"`,
    remedy: "Give both, or neither",
  }];
  return [...findings.flat(), ...lonely];
}

interface Wrong {
  readonly message: string;
  readonly remedy: string;
}

async function wrongFile(file: string, name: "ca" | "cert" | "key"): Promise<Wrong | undefined> {
  try {
    const kind = await kindOf(file);
    if (kind !== "file") {
      const message = kind === "missing" ? `The file "${file}" does not exist` : `"${file}" is no file`;
      return { message, remedy: "Correct the path" };
    }
    const data = await readUpTo(file, MOST_BYTES) ?? new Uint8Array();
    return name === "key" ? wrongKey(file, data) : wrongCertificate(file, data);
  } catch (error) {
    return { message: `Cannot read "${file}": ${messageOf(error)}`, remedy: "Make it readable for you" };
  }
}

function wrongKey(file: string, data: Uint8Array): Wrong | undefined {
  if (!holdsPrivateKey(data)) {
    return {
      message: `"${file}" holds no private key in PEM form`,
      remedy: "Name the key of the certificate",
    };
  }
  if (!/ENCRYPTED/.test(new TextDecoder().decode(data))) return undefined;
  return {
    message: `The key in "${file}" is encrypted, and no engine can ask for its password`,
    remedy: "Name a copy without a password: openssl pkey -in KEY -out COPY",
  };
}

function wrongCertificate(file: string, data: Uint8Array): Wrong | undefined {
  const remedy = "Name a PEM file: it begins with -----BEGIN CERTIFICATE-----";
  if (!new TextDecoder().decode(data).includes("-----BEGIN ")) {
    return { message: `"${file}" holds no certificate in PEM form`, remedy };
  }
  try {
    const blocks = derBlocks(data);
    blocks.map(readCertificate);
    if (blocks.length > 0) return undefined;
    return { message: `"${file}" holds no certificate in PEM form`, remedy };
  } catch (error) {
    return { message: `The certificate in "${file}" is damaged: ${messageOf(error)}`, remedy };
  }
}

/** One file cannot be written as a whole and have logins put into it. */
function checkLoginFiles({ machine: { runtime, user }, declaredFiles }: NormalForm): Finding[] {
  if (!runtime.registries.some(({ credentials }) => credentials === "host")) return [];
  const paths = ["/root/.docker/config.json", `${user.home}/.docker/config.json`];
  return declaredFiles.filter(({ value }) => paths.includes(value.path)).map(({ value, path }): Finding => ({
    path: [...path, "path"],
    message: `"${value.path}" gets the logins of registries with "credentials: host"`,
    remedy: "Leave the file or the credentials out",
  }));
}
