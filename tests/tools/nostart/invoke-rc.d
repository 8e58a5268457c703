#!/bin/sh
# SPDX-License-Identifier: MIT
# Stands before the real program of its name while tests/tools/deps.sh installs: drops `start`, passes on all else.
for word in "$@"; do
    [ "$word" != start ] || exit 0
done
PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec "${0##*/}" "$@"
