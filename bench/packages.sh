#!/bin/sh
# Installs the Debian packages that building and running gemmlp needs, and those named as arguments, unless
# they are there already.
set -eu

packages="gcc libc6-dev meson ninja-build pkg-config libopenblas0-openmp liblapacke
libjansson-dev zlib1g-dev librandom123-dev libinih-dev $*"

missing=
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
        missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "packages.sh: this is not Debian; install the equivalents of:$missing" >&2
    exit 1
fi
as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "packages.sh: run this as root, or install:$missing" >&2
        exit 1
    fi
    as_root=sudo
fi
echo "installing$missing" >&2
$as_root apt-get update -qq
# shellcheck disable=SC2086 # words on purpose
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing \
    >/dev/null
