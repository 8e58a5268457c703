#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs those of the named Debian packages that are missing; touches nothing, and no network, when none is.
#
# Services that come with a package (nginx, redis, postgresql, haproxy) are not started: dpkg gets a PATH
# on which tests/tools/nostart is first. Its invoke-rc.d and deb-systemd-invoke drop `start` and pass on
# all else, so that a running service whose library is upgraded is still restarted. Nothing on the machine
# is changed for it: no policy-rc.d, no masked unit.
set -eu

missing=
if ! command -v dpkg-query >/dev/null; then
    echo "deps: this is not Debian; needed here are what Debian calls: $*"
    exit 0
fi
for package in "$@"; do
    case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true) in
    installed*) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

echo "deps: installing$missing"
if [ "$(id -u)" -eq 0 ]; then
    as_root=
elif command -v sudo >/dev/null; then
    as_root=sudo
else
    echo "deps: needs root or sudo; as root: apt-get install --no-install-recommends$missing" >&2
    exit 1
fi
quiet=$(cd "$(dirname "$0")/nostart" && pwd)

# A list of packages that is missing or stale is the usual reason for a failure, hence the update; an
# update that fails is not fatal, the old lists may do.
$as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q </dev/null ||
    echo "deps: apt-get update failed, going on with the lists at hand" >&2
# shellcheck disable=SC2086 # words are meant
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    -o "DPkg::Path=$quiet:/usr/sbin:/usr/bin:/sbin:/bin" $missing </dev/null
