/** One word for /bin/sh, whatever it holds (POSIX Shell Command Language, 2.2.2 Single-Quotes). */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Several words for /bin/sh. */
export function quoteAll(words: readonly string[]): string {
  return words.map(quote).join(" ");
}
