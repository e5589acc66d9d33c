import { join } from "node:path";
import { UserError } from "../../host/errors.ts";
import {
  ensurePrivateDir,
  modeOf,
  readTextIfPresent,
  removeIfEmpty,
  removeIfPresent,
  sha256,
  statIfPresent,
} from "../../host/files.ts";
import { listNames, removeTree } from "../../host/folders.ts";
import { writeThroughLinks } from "../../host/linked_file.ts";
import { dockerConfigDir } from "../../host/paths.ts";
import { withKey, withoutKey } from "./json_key.ts";

/** A context as the docker client stores it (docker/cli, cli/context/store). */
export interface StoredContext {
  readonly name: string;
  readonly description: string;
  readonly endpoint: string;
}

/** Every context that the client has, "default" aside. */
export async function readContexts(): Promise<StoredContext[]> {
  const folder = contextsFolder();
  const contexts: StoredContext[] = [];
  for (const entry of await listNames(folder)) {
    const text = await readTextIfPresent(join(folder, entry, "meta.json"));
    if (text !== undefined) contexts.push(parseContext(text, join(folder, entry, "meta.json")));
  }
  return contexts;
}

function parseContext(text: string, path: string): StoredContext {
  try {
    const meta = JSON.parse(text) as {
      readonly Name: string;
      readonly Metadata?: { readonly Description?: string };
      readonly Endpoints?: { readonly docker?: { readonly Host?: string } };
    };
    return {
      name: meta.Name,
      description: meta.Metadata?.Description ?? "",
      endpoint: meta.Endpoints?.docker?.Host ?? "",
    };
  } catch (cause) {
    throw new UserError(`${path} is not valid JSON`, { cause, hint: "docker context rm --force removes it" });
  }
}

/** Writes a context in the client's own form, which needs no client on this computer. */
export async function writeContext(context: StoredContext): Promise<void> {
  const folder = contextFolder(context.name);
  await ensurePrivateDir(folder);
  const meta = {
    Name: context.name,
    Metadata: { Description: context.description },
    Endpoints: { docker: { Host: context.endpoint, SkipTLSVerify: false } },
  };
  await writeThroughLinks(join(folder, "meta.json"), JSON.stringify(meta), 0o644);
}

/** Removes a context, and the client's folders that hold nothing else. */
export async function removeContext(name: string): Promise<void> {
  await removeTree(contextFolder(name));
  for (const folder of [contextsFolder(), join(dockerConfigDir(), "contexts"), dockerConfigDir()]) {
    if (!await removeIfEmpty(folder)) return;
  }
}

/** The name of the current context; "default" when the configuration names none. */
export async function currentContext(): Promise<string> {
  const text = await readTextIfPresent(configFile());
  if (text === undefined) return "default";
  const { currentContext } = parseConfig(text) as { currentContext?: string };
  return currentContext || "default";
}

/**
 * Makes a context the current one by changing that one key: every other byte of the file stays.
 * "default" takes the key out; a file that then holds nothing goes.
 */
export async function useContext(name: string): Promise<void> {
  const file = configFile();
  const text = await readTextIfPresent(file) ?? "";
  parseConfig(text); // a file that cannot be understood is not written into
  if (name === await currentContext()) return;
  const next = name === "default"
    ? withoutKey(text, "currentContext")
    : text.trim() === ""
    ? JSON.stringify({ currentContext: name }, null, "\t") + "\n"
    : withKey(text, "currentContext", name);
  const saysNothing = Object.keys(parseConfig(next)).length === 0;
  if (saysNothing && !(await statIfPresent(file))?.isSymlink) return await removeIfPresent(file);
  await ensurePrivateDir(dockerConfigDir());
  await writeThroughLinks(file, next, 0o600);
}

/** True when the client's configuration may not be changed: a dotfiles manager made it so. */
export async function isConfigReadOnly(): Promise<boolean> {
  const mode = await modeOf(configFile());
  return mode !== undefined && (mode & 0o222) === 0;
}

/** The path of the client's configuration. */
export function configFile(): string {
  return join(dockerConfigDir(), "config.json");
}

function contextFolder(name: string): string {
  return join(contextsFolder(), sha256(name));
}

function contextsFolder(): string {
  return join(dockerConfigDir(), "contexts", "meta");
}

/** The client's configuration. @throws UserError when it is no JSON object */
export function parseConfig(text: string): Record<string, unknown> {
  if (text.trim() === "") return {}; // the client takes an empty file for one without settings
  const damaged = (cause?: unknown) =>
    new UserError(`${configFile()} is not valid JSON`, { hint: "Mend it, then apply again", cause });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw damaged(error);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw damaged();
  return value as Record<string, unknown>;
}
