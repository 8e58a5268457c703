#!/bin/bash
# SPDX-License-Identifier: MIT
# The pages that are templates with the tables of the programs spliced in are what these say; with --write makes them so.
set -euo pipefail
cd "$(dirname "$0")/../.."
write=${1:-}
status=0

made=$(mktemp)
tables=$(mktemp)
trap 'rm -f "$made" "$tables"' EXIT

# Each line of a template that is the comment at the head of a table is replaced by that table; all are used once.
splice() { # template
    awk -v template="$1" '
        FNR == NR && /^\.\\" [A-Z]+( |$)/ { head = $0; text[head] = ""; next }
        FNR == NR { text[head] = text[head] $0 "\n"; next }
        /^\.\\" (COMMAND|CALL|TABLES)( |$)/ {
            if (!($0 in text) || $0 in used) {
                print "manual: " template ": " FNR ": no table, or one that stood before: " $0 >"/dev/stderr"
                bad = 1
            }
            used[$0] = 1
            printf "%s", text[$0]
            next
        }
        { print }
        END {
            for (head in text)
                if (!(head in used)) {
                    print "manual: " template ": lacks a line: " head >"/dev/stderr"
                    bad = 1
                }
            exit bad
        }' "$tables" "$1" >"$made"
}

check() { # page
    splice "$1.in" || { status=1; return; }
    if [ "$write" = --write ]; then
        install -m 644 "$made" "$1"
    elif ! diff -u "$1" "$made" >&2; then
        echo "manual: $1 is not what its template and the tables say: make manual" >&2
        status=1
    fi
}

{ printf '.\\" TABLES\n' && "${BUILD:-build}/gaidaros" --manual; } >"$tables"
check man/gaidaros.conf.5
"${BUILD:-build}/gaidarosctl" --manual >"$tables"
check man/gaidarosctl.1

# What the formatter warns of is a fault of the page.
for page in man/*.[1-8]; do
    warnings=$(LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null)
    [ -z "$warnings" ] || { echo "manual: $page: $warnings" >&2; status=1; }
done
exit "$status"
