import { basename } from "node:path";
import { messageOf, UserError } from "../../host/errors.ts";
import { readTextIfPresent } from "../../host/files.ts";
import { findProgram, run } from "../../host/process.ts";
import { configFile, parseConfig } from "./client_config.ts";

/** What a docker client keeps of one registry, in the form of its config.json. Secret. */
export type LoginEntry = {
  /** Base64 of `user:password`. */
  readonly auth?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
};

/** The login of this computer's docker client at one registry. */
export type HostLogin =
  | { readonly state: "present"; readonly entry: LoginEntry }
  | { readonly state: "absent" }
  | { readonly state: "unknown"; readonly reason: string };

/** A helper may ask its user to unlock a keychain; nobody would answer here. */
const HELPER_MS = 20_000;

/** The name under which docker's client keeps Docker's own registry (docker/cli, registry.IndexServer). */
const DOCKER_HUB = "https://index.docker.io/v1/";

/** The name of a registry in a client's config.json. */
export function loginKey(host: string): string {
  return host === "docker.io" ? DOCKER_HUB : host;
}

/** What the docker client of this computer knows of a registry: from its helpers, else from its config.json. */
export async function hostLogin(host: string): Promise<HostLogin> {
  let config: ClientConfig;
  try {
    const text = await readTextIfPresent(configFile());
    config = text === undefined ? {} : parseConfig(text);
  } catch (error) {
    return { state: "unknown", reason: `${configFile()} cannot be read: ${messageOf(error)}` };
  }
  const key = loginKey(host);
  const helper = config.credHelpers?.[key] ?? config.credHelpers?.[host] ?? config.credsStore;
  if (helper) {
    const found = await askHelper(helper, key);
    // One that has nothing leaves what stands in the file, where older clients have put it.
    if (found.state !== "absent") return found;
  }
  const entries = Object.entries(config.auths ?? {});
  const [, entry] = entries.find(([name]) => name === key) ??
    entries.find(([name]) => hostOf(name) === hostOf(key)) ?? [];
  const login = entry && loginOf(entry);
  return login ? { state: "present", entry: login } : { state: "absent" };
}

interface ClientConfig {
  readonly auths?: Readonly<Record<string, LoginEntry>>;
  readonly credHelpers?: Readonly<Record<string, string>>;
  readonly credsStore?: string;
}

/** The parts of an entry that are a login: helpers leave empty ones behind. */
function loginOf({ auth, identitytoken, registrytoken }: LoginEntry): LoginEntry | undefined {
  if (!auth && !identitytoken && !registrytoken) return undefined;
  return {
    ...(auth ? { auth } : {}),
    ...(identitytoken ? { identitytoken } : {}),
    ...(registrytoken ? { registrytoken } : {}),
  };
}

/** The host in a name of an entry, which older clients wrote as a URL. */
function hostOf(name: string): string {
  return name.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
}

/** Asks a helper (docker/docker-credential-helpers): the server on standard input, a JSON object or words come back. */
async function askHelper(helper: string, server: string): Promise<HostLogin> {
  const program = `docker-credential-${helper}`;
  const unknown = (why: string): HostLogin => ({ state: "unknown", reason: `${program} ${why}` });
  if (basename(helper) !== helper) return unknown("is no name of a program");
  if (await findProgram(program) === undefined) return unknown("is not installed on this computer");
  try {
    const signal = AbortSignal.timeout(HELPER_MS);
    const { code, stdout, stderr } = await run([program, "get"], { stdin: server, signal });
    if (code !== 0) {
      const words = `${stdout}\n${stderr}`.trim();
      return /credentials not found/i.test(words)
        ? { state: "absent" }
        : unknown(`does not tell: ${words.split("\n")[0]}`);
    }
    const { Username, Secret } = JSON.parse(stdout) as { readonly Username: string; readonly Secret: string };
    if (!Secret) return { state: "absent" };
    // The name that stands for "the secret is a token" (docker/cli, credentials/native_store.go).
    if (Username === "<token>") return { state: "present", entry: { identitytoken: Secret } };
    return {
      state: "present",
      entry: { auth: new TextEncoder().encode(`${Username}:${Secret}`).toBase64() },
    };
  } catch (error) {
    if (error instanceof SyntaxError) return unknown("answers with something else than JSON");
    if (error instanceof DOMException) return unknown(`did not answer within ${HELPER_MS / 1000} s`);
    if (error instanceof UserError) return unknown(`does not run: ${error.message}`);
    throw error;
  }
}
