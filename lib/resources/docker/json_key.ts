import { type Node, parseTree } from "jsonc-parser";

/** A key of the outermost object in a JSON text: where it stands, and what is before it. */
interface Place {
  readonly start: number;
  readonly end: number;
  /** Where the key before it ends; right behind the brace for the first one. */
  readonly before: number;
  readonly value: Node;
  readonly isFirst: boolean;
}

/**
 * A JSON object's text with one key set: every other byte stays, whatever its layout. A new key comes last and is laid
 * out like the one before it.
 * @param text a valid JSON object
 */
export function withKey(text: string, key: string, value: string): string {
  const places = placesOf(text);
  const place = places.get(key);
  if (place) return splice(text, [place.value.offset, endOf(place.value)], JSON.stringify(value));
  const last = [...places.values()].at(-1);
  const entry = `${JSON.stringify(key)}: ${JSON.stringify(value)}`;
  if (!last) {
    const brace = text.indexOf("{") + 1;
    return splice(text, [brace, brace], entry);
  }
  const gap = /\s*$/.exec(text.slice(last.before, last.start))?.[0] ?? "";
  return splice(text, [last.end, last.end], `,${gap}${entry}`);
}

/** A JSON object's text without one key; what {@link withKey} had put in goes without a trace. */
export function withoutKey(text: string, key: string): string {
  const places = placesOf(text);
  const place = places.get(key);
  if (!place) return text;
  if (!place.isFirst) return splice(text, [place.before, place.end], "");
  const next = [...places.values()][1];
  return splice(text, [place.start, next?.start ?? place.end], "");
}

/** The keys in the order of the text; of one that is there twice the last place, whose value counts. */
function placesOf(text: string): Map<string, Place> {
  const places = new Map<string, Place>();
  let before = text.indexOf("{") + 1;
  for (const [index, node] of (parseTree(text)?.children ?? []).entries()) {
    const [name, value] = node.children ?? [];
    if (!name || !value) throw new Error("The text is no JSON object");
    const key = String(name.value);
    const place = { start: node.offset, end: endOf(node), before, value, isFirst: index === 0 };
    places.delete(key);
    places.set(key, place);
    before = place.end;
  }
  return places;
}

function endOf(node: Node): number {
  return node.offset + node.length;
}

function splice(text: string, [start, end]: readonly [number, number], part: string): string {
  return text.slice(0, start) + part + text.slice(end);
}
