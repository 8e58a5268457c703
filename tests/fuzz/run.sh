#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs each fuzzer for some seconds on what earlier runs found interesting: run.sh SECONDS FUZZER...
set -euo pipefail
seconds=$1
shift
build=${BUILD:-build}
seeds=$(cd "$(dirname "$0")" && pwd)/seeds
failed=0
[ $# -gt 0 ] || { echo "fuzz: there is no tests/fuzz/*_fuzz.c" >&2; exit 1; }

for fuzzer in "$@"; do
    name=$(basename "$fuzzer")
    corpus=$build/fuzz/corpus/$name
    mkdir -p "$corpus"
    echo "== $name for $seconds s"
    folders=("$corpus")
    [ ! -d "$seeds/$name" ] || folders+=("$seeds/$name")
    if ! "$fuzzer" -max_total_time="$seconds" -timeout=5 -max_len=70000 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="$build/fuzz/$name-" "${folders[@]}"; then
        failed=$((failed + 1))
    fi
done
echo "fuzz: $# parsers, $failed with a fault"
[ "$failed" -eq 0 ]
