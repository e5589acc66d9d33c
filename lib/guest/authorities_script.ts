/** Where authorities of the machine stand in the guest, beside those of the user's own making. */
export const AUTHORITIES_FOLDER = "/usr/local/share/ca-certificates";

/** What programs trust, and the links by which OpenSSL finds single authorities. */
export const AUTHORITIES_BUNDLE = "/etc/ssl/certs/ca-certificates.crt";

/** The file of an authority of ours. */
export function authorityFile(id: string): string {
  return `${AUTHORITIES_FOLDER}/machine-${id}.crt`;
}

/** The hooks that packages want to be called by (Java's key store). */
const HOOKS = "/etc/ca-certificates/update.d";
const LINKS = "/etc/ssl/certs";
const PART = "/etc/ssl/certs/ca-certificates.crt.machine-part";
const LIST = "/var/lib/machine/authorities";

/**
 * Brings the bundle and the links up to date with the files of authorities. update-ca-certificates(8) starts several
 * processes for each of Debian's 150, which under emulation takes more than a minute; this gives the same bundle and the
 * same links in a second, since only ours have changed. It is called itself where a package has a hook with it, or the
 * administrator has struck out authorities. The bundle is replaced last, and not at all where it stays the same: by its
 * time daemons are known that have read an older one.
 */
export function refreshAuthoritiesScript(): string {
  return [
    "[ -x /usr/sbin/update-ca-certificates ] || { echo 'The guest has no package ca-certificates'; exit 1; }",
    `for file in ${LINKS}/machine-*.pem; do [ ! -L "$file" ] || [ -e "$file" ] || rm -f "$file"; done`,
    `if grep -q '^!' /etc/ca-certificates.conf || [ -n "$(run-parts --test ${HOOKS})" ]; then`,
    "update-ca-certificates >/var/lib/machine/authorities.log 2>&1 || " +
    "{ tail -n 15 /var/lib/machine/authorities.log; exit 1; }",
    "else",
    `for file in ${AUTHORITIES_FOLDER}/machine-*.crt; do`,
    `link=\${file##*/}; link=${LINKS}/\${link%.crt}.pem`,
    '[ ! -e "$file" ] || [ -L "$link" ] || ln -s "$file" "$link"',
    "done",
    "set --",
    "while IFS= read -r file; do",
    "case $file in ''|'#'*) ;; *) file=/usr/share/ca-certificates/$file;" +
    ' [ ! -f "$file" ] || set -- "$@" "$file";; esac',
    "done </etc/ca-certificates.conf",
    `mkdir -p /var/lib/machine; find -L ${AUTHORITIES_FOLDER} -type f -name '*.crt' | sort >${LIST}`,
    `while IFS= read -r file; do set -- "$@" "$file"; done <${LIST}`,
    // awk ends the last line of each file, as update-ca-certificates does.
    `if [ $# = 0 ]; then : >${PART}; else awk 1 "$@" >${PART}; fi`,
    "set --",
    `openssl rehash ${LINKS} >/dev/null 2>&1`,
    `if cmp -s ${PART} ${AUTHORITIES_BUNDLE}; then rm -f ${PART}; ` +
    `else chmod 0644 ${PART}; mv -fT ${PART} ${AUTHORITIES_BUNDLE}; fi`,
    `rm -f ${LIST}`,
    "fi",
  ].join("\n");
}
