#!/bin/bash
# SPDX-License-Identifier: MIT
# Every header compiles alone; every .c includes its own header first; first lines, names and sizes are in order.
# Arguments: the compiler's flags. CC in the environment names the compiler.
set -euo pipefail
cd "$(dirname "$0")/../.."
flags=("$@")
FILE_LINES=600
FUNCTION_LINES=100

shopt -s nullglob
faults=0
fault() {
    echo "headers: $1" >&2
    faults=$((faults + 1))
}

compiles_alone() {
    # An unused static inline is no fault, nor are macros alone, for which the line behind stands.
    printf '#include "%s"\nextern int nothing;\n' "$1" |
        "${CC:-cc}" "${flags[@]}" -Werror -Wno-unused-function -fsyntax-only -x c -
}

first_lines() { # file
    local first second third
    { read -r first; read -r second; IFS= read -r third; } <"$1" || true
    [ "$first" = '/* SPDX-License-Identifier: MIT */' ] || fault "$1:1: is not the SPDX line"
    [[ $second == '/* '*' */' ]] || [[ $second == '/*' && $third == ' * '*. ]] || fault "$1:2: is not the file's purpose in one sentence"
}

sizes() { # file
    local lines
    lines=$(wc -l <"$1")
    [ "$lines" -le "$FILE_LINES" ] || fault "$1: $lines lines, at most $FILE_LINES"
    # A function's body lies between a line that is { and one that is }.
    awk -v most="$FUNCTION_LINES" -v file="$1" '
        /^\{$/ { start = NR }
        /^\}$/ { if (start && NR - start - 1 > most) { print file ":" start ": a function of " NR - start - 1 " lines, at most " most; bad = 1 } start = 0 }
        END { exit bad }' "$1" >&2 || faults=$((faults + 1))
}

own_header_first() { # file
    local name=${1#src/} first
    name=${name%.c}.h
    [ -e "include/$name" ] || return 0
    first=$(sed -n 's/^ *# *include *//p' "$1" | head -n 1)
    [ "$first" = "\"$name\"" ] || fault "$1: includes $first first, not its own \"$name\""
}

for file in include/*/*.h tests/tools/*.h; do
    compiles_alone "$file" || fault "$file: does not compile alone"
done
for file in src/*.c src/*/*.c include/*/*.h etc/examples/*.c tests/*/*.c tests/*/*.h; do
    first_lines "$file"
    sizes "$file"
done
for file in src/*/*.c; do
    own_header_first "$file"
done
for file in src/*.sh tests/*/*.sh tests/*/*.py etc/init.d/* .ci/run; do
    head -n 2 "$file" | grep -q 'SPDX-License-Identifier: MIT' || fault "$file: no SPDX line in the first two"
done
for kind in c h; do
    for name in $(find src include tests -name "*.$kind" -printf '%f\n' | sort | uniq -d); do
        fault "$name: this name occurs twice: $(find src include tests -name "$name" | tr '\n' ' ')"
    done
done
[ "$faults" -eq 0 ] || exit 1
