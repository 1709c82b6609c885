#!/bin/sh
# Installs the Debian packages that building and running gemmlp needs, and those named as arguments, unless
# they are there already. One written with a ? in front is done without where it cannot be had.
set -eu

packages="gcc libc6-dev meson ninja-build pkg-config libopenblas0-openmp liblapacke
libjansson-dev zlib1g-dev librandom123-dev libinih-dev $*"

missing= wanted=
for package in $packages; do
    dpkg-query -W -f '${Status}' "${package#\?}" 2>/dev/null | grep -q 'ok installed' && continue
    case $package in
        \?*) wanted="$wanted ${package#\?}" ;;
        *) missing="$missing $package" ;;
    esac
done
[ -n "$missing$wanted" ] || exit 0

give_up() {
    [ -n "$missing" ] || exit 0
    echo "packages.sh: $1:$missing" >&2
    exit 1
}
command -v apt-get >/dev/null || give_up "this is not Debian; install the equivalents of"
as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || give_up "run this as root, or install"
    as_root=sudo
fi
$as_root apt-get update -qq || give_up "apt-get update failed; missing"
for package in $wanted; do
    if apt-cache show "$package" >/dev/null 2>&1; then
        missing="$missing $package"
    fi
done
[ -n "$missing" ] || exit 0
echo "installing$missing" >&2
# shellcheck disable=SC2086 # words on purpose
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing \
    >/dev/null
