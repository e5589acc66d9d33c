/** One way to break the program. */
export interface Mutant {
  /** What is broken, e.g. `file: undo does nothing`. */
  readonly name: string;
  /** Breaks it; gives what mends it again. */
  readonly breakIt: () => () => void;
  /** Names of the properties that are most likely to notice; every other one is tried after them. */
  readonly noticedBy: readonly string[];
}

/** Puts other parts into an object until it is mended. */
export function swap(target: object, parts: Readonly<Record<string, unknown>>): () => void {
  const before = Object.getOwnPropertyDescriptors(target);
  Object.assign(target, parts);
  return () => {
    for (const name of Object.keys(parts)) {
      const former = before[name];
      if (former) Object.defineProperty(target, name, former);
      else Reflect.deleteProperty(target, name);
    }
  };
}

/** Takes an entry out of a list until it is mended. */
export function without<T>(list: readonly T[], index: number): () => void {
  const open = list as T[];
  const [entry] = open.splice(index, 1);
  return () => {
    open.splice(index, 0, entry!);
  };
}
