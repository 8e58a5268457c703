#!/bin/bash
# SPDX-License-Identifier: MIT
# man/gaidaros.conf.5 is its template with the tables of the program spliced in; with --write makes it so.
set -euo pipefail
cd "$(dirname "$0")/../.."
template=man/gaidaros.conf.5.in
page=man/gaidaros.conf.5

made=$(mktemp)
trap 'rm -f "$made"' EXIT
tables=$("${BUILD:-build}/gaidaros" --manual)
[ -n "$tables" ] || { echo "manual: gaidaros --manual printed nothing" >&2; exit 1; }
while IFS= read -r line; do
    if [ "$line" = '.\" TABLES' ]; then
        printf '%s\n' "$tables"
    else
        printf '%s\n' "$line"
    fi
done <"$template" >"$made"

if [ "${1:-}" = --write ]; then
    install -m 644 "$made" "$page"
elif ! diff -u "$page" "$made" >&2; then
    echo "manual: $page is not what its template and the directives table say: make manual" >&2
    exit 1
fi

# What the formatter warns of is a fault of the page.
status=0
for page in man/*.[1-8]; do
    warnings=$(LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null)
    [ -z "$warnings" ] || { echo "manual: $page: $warnings" >&2; status=1; }
done
exit "$status"
