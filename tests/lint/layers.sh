#!/bin/bash
# SPDX-License-Identifier: MIT
# The floors of the house: a room includes itself and rooms on lower floors, never another on its own.
set -euo pipefail
cd "$(dirname "$0")/../.."

# A room and its floor.
declare -A floor=(
    [worker]=6 [director]=6     # processes
    [relay]=5 [admin]=5         # the data path | the doors
    [balance]=4 [tls]=4 [master]=4
    [conf]=3 [share]=3 [ctl]=3  # what is asked | what is happening | the client program
    [net]=2
    [base]=1
)
# Processes: nobody includes them but they themselves and src/main.c, which sees all three.
processes=" worker director master "
# Rooms that return what went wrong; to log is for those who decide what to do about it.
silent=" base net share conf tls balance "
# A library and the only room that knows it.
declare -A library=([openssl]=tls)

faults=0
fault() {
    echo "layers: $1" >&2
    faults=$((faults + 1))
}

check_include() { # file, room, included
    local file=$1 room=$2 wanted=$3 to=${3%%/*}
    if [ "$wanted" = "$to" ] || [ -z "${floor[$to]:-}" ]; then
        fault "$file: \"$wanted\" names no room"
    elif [ "$to" = "$room" ]; then
        :
    elif [[ $processes == *" $to "* ]]; then
        fault "$file: \"$wanted\": only main.c may include a process"
    elif [ "${floor[$to]}" -ge "${floor[$room]}" ]; then
        fault "$file: \"$wanted\": $room (floor ${floor[$room]}) must not include $to (floor ${floor[$to]})"
    fi
}

for file in src/*/*.c include/*/*.h; do
    [ -e "$file" ] || continue
    room=${file#*/}
    room=${room%%/*}
    if [ -z "${floor[$room]:-}" ]; then
        fault "$file: $room is no room of the house"
        continue
    fi
    while read -r wanted; do
        check_include "$file" "$room" "$wanted"
    done < <(sed -n 's/^ *# *include *"\([^"]*\)".*/\1/p' "$file")
    if [[ $silent == *" $room "* ]] && [[ $file != */log.[ch] ]] &&
        grep -qE '\<log_(error|warning|info|debug)\(' "$file"; then
        fault "$file: $room does not log"
    fi
    for header in "${!library[@]}"; do
        if [ "$room" != "${library[$header]}" ] && grep -q "^ *# *include *<$header" "$file"; then
            fault "$file: <$header> is for ${library[$header]} alone"
        fi
    done
done

# The data path has one door out of a connection.
while read -r file; do
    fault "$file: calls life_end, which src/relay/life.c alone may"
done < <(grep -lE '^[^*/]*\<life_end\(' src/*/*.c 2>/dev/null | grep -vx src/relay/life.c || true)

if [ -e src/main.c ] && [ "$(wc -l <src/main.c)" -gt 150 ]; then
    fault "src/main.c: over 150 lines"
fi
[ "$faults" -eq 0 ] || exit 1
