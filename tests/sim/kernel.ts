import { LOADED, MODULES, PARAMETERS } from "./base_image.ts";

/** The kernel of one boot: its modules, parameters and host name. */
export class Kernel {
  hostname = "localhost";
  readonly #modules = new Set<string>();
  readonly #parameters = new Map<string, string>();

  constructor() {
    for (const [key, { value, module }] of Object.entries(PARAMETERS)) {
      if (module === undefined) this.#parameters.set(key, value);
    }
    for (const name of LOADED) this.load(name);
  }

  /** Loaded modules, as the kernel names them. */
  get modules(): readonly string[] {
    return [...this.#modules].sort();
  }

  get parameters(): ReadonlyMap<string, string> {
    return this.#parameters;
  }

  /** Where modinfo(8) finds a module; `undefined` when there is none. */
  find(name: string): string | undefined {
    if (MODULES.builtIn.includes(name)) return "(builtin)";
    return MODULES.loadable.includes(name) ? `/lib/modules/${name}.ko` : undefined;
  }

  /** False when there is no such module. */
  load(name: string): boolean {
    if (MODULES.builtIn.includes(name)) return true;
    if (!MODULES.loadable.includes(name)) return false;
    if (this.#modules.has(name)) return true;
    this.#modules.add(name);
    for (const [key, { value, module }] of Object.entries(PARAMETERS)) {
      if (module === name) this.#parameters.set(key, value);
    }
    return true;
  }

  unload(name: string): void {
    this.#modules.delete(name);
    for (const [key, { module }] of Object.entries(PARAMETERS)) {
      if (module === name) this.#parameters.delete(key);
    }
  }

  /** Sets a parameter; gives why the kernel refuses it. */
  set(key: string, value: string): string | undefined {
    if (!this.#parameters.has(key)) return `The guest's kernel has no parameter ${key}`;
    if (!/^[\d\s]+$/.test(value)) return "sh: write error: Invalid argument";
    this.#parameters.set(key, value.replaceAll(" ", "\t")); // as the kernel parts several numbers
    return undefined;
  }
}
