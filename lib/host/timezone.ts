/**
 * The IANA name of this computer's time zone: of TZ, else of the file that /etc/localtime leads to, else what the
 * runtime says. "Etc/UTC" where none of them names a zone.
 */
export async function hostTimezone(): Promise<string> {
  const names = [zoneOf(Deno.env.get("TZ") ?? ""), zoneOf(await linkTarget("/etc/localtime")), runtimeZone()];
  return names.find(isTimezone) ?? "Etc/UTC";
}

/** Whether the runtime's tables have a time zone of this name, in whatever case. */
export function isTimezone(name: string): boolean {
  // Offsets such as +01:00 are zones to newer runtimes, but no names of a zone
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** TZ may be a name, or a path behind a colon (tzset(3)); a link leads below a folder called zoneinfo. */
function zoneOf(text: string): string {
  return text.replace(/^:/, "").replace(/^.*\/zoneinfo\/(?:posix\/|right\/)?/, "");
}

async function linkTarget(path: string): Promise<string> {
  try {
    return await Deno.readLink(path);
  } catch {
    return ""; // a copied file, or none: it does not say the zone's name
  }
}

function runtimeZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
}
