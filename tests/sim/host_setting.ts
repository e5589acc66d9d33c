import { OTHER, ROOT } from "../unit/certificates_fixture.ts";
import type { HostProxy } from "../../lib/host/proxy.ts";

/** What a machine may take over from its host. */
export interface HostSetting {
  readonly proxy: HostProxy;
  /** Authorities that the host trusts beyond its distribution's set, as PEM. */
  readonly authorities: readonly string[];
  /** What docker's client of the host logs in to registries with, by their hosts. */
  readonly logins: Readonly<Record<string, Login>>;
}

interface Login {
  readonly user: string;
  readonly password: string;
}

/** Secrets of the host, which only the guest may be told. */
export const HOST_SECRETS = { proxy: "proxy-secret-of-the-host", registry: "registry-secret-of-the-host" };

/** A host with nothing to take over. */
export const NO_SETTING: HostSetting = {
  proxy: { http: "", https: "", except: [] },
  authorities: [],
  logins: {},
};

/** Logins at all the registries at which random machines log in. */
const LOGINS = {
  "docker.io": { user: "you", password: HOST_SECRETS.registry },
  "registry.corp.invalid": { user: "me", password: HOST_SECRETS.registry },
};

/** The host that random machines live on. */
export const USUAL_SETTING: HostSetting = {
  proxy: {
    http: "http://proxy.host.invalid:3128",
    https: `http://me:${HOST_SECRETS.proxy}@127.0.0.1:3128`,
    except: [".host.invalid"],
  },
  authorities: [ROOT],
  logins: LOGINS,
};

/** Hosts that differ from one another in all that can be taken over. */
export const SETTINGS: readonly HostSetting[] = [
  { ...NO_SETTING, logins: LOGINS },
  USUAL_SETTING,
  { ...USUAL_SETTING, authorities: [ROOT, OTHER] },
  { ...USUAL_SETTING, authorities: [], proxy: { http: "", https: "http://10.0.0.1:3128", except: [] } },
  {
    proxy: { http: "http://localhost:8080", https: "", except: ["internal.invalid"] },
    authorities: [OTHER],
    logins: { ...LOGINS, "docker.io": { user: "other", password: `${HOST_SECRETS.registry}-anew` } },
  },
];

/** Every form in which a secret may be written down. */
export function formsOf(user: string, secret: string): readonly string[] {
  return [secret, btoa(`${user}:${secret}`), encodeURIComponent(secret)];
}
