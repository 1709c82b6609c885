#!/bin/sh
# aarch64.sh [TEST…]: builds for AArch64 in BUILD (build-aarch64) with Debian's cross compiler, and runs the tests that
# are programs under QEMU, or those that are named. What they need is unpacked in BUILD/root; nothing of arm64 is
# installed. (Debian: gcc-aarch64-linux-gnu, qemu-user.) Speed under QEMU means nothing, and there
#   exhaustion_training, vmath and activation take minutes;
#   roof fails: address space is not limited;
#   tests in shell are left out: they start the command itself.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build-aarch64}
mkdir -p "$build"
build=$(cd "$build" && pwd)
root=$build/root
libraries=$root/usr/lib/aarch64-linux-gnu

unpack() { # unpack PACKAGE…: with all that they depend on
    mkdir -p "$build/apt/lists/partial" "$build/apt/archives/partial" "$root/usr/lib"
    : >"$build/apt/status"
    ln -sfn usr/lib "$root/lib"
    for command in update "install -y --no-install-recommends --download-only $*"; do
        # shellcheck disable=SC2086 # words on purpose
        apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State="$build/apt" \
            -o Dir::State::status="$build/apt/status" -o Dir::Cache="$build/apt" $command >/dev/null
    done
    for package in "$build"/apt/archives/*.deb; do
        dpkg --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$root"
    done
    # What an installation would do: links that stay inside, and the BLAS of the system.
    find "$libraries" -maxdepth 1 -lname '/lib/*' | while read -r link; do
        ln -sfn "$(basename "$(readlink "$link")")" "$link"
    done
    for link in libblas.so.3 liblapack.so.3 libopenblas.so.0; do
        ln -sfn "openblas-openmp/$link" "$libraries/$link"
    done
}

if [ ! -f "$build/build.ninja" ]; then
    unpack libc6-dev libgomp1 libjansson-dev zlib1g-dev libinih-dev librandom123-dev libcmocka-dev libdnnl-dev \
        libopenblas0-openmp liblapacke
    cat >"$build/cross.ini" <<END
[binaries]
c = ['aarch64-linux-gnu-gcc', '--sysroot=$root']
ar = 'aarch64-linux-gnu-ar'
strip = 'aarch64-linux-gnu-strip'
pkgconfig = 'pkg-config'
exe_wrapper = ['qemu-aarch64', '-L', '$root']

[properties]
sys_root = '$root'
pkg_config_libdir = '$libraries/pkgconfig'

[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'armv8-a'
endian = 'little'
END
    meson setup "$build" --cross-file "$build/cross.ini" -Dwerror=true -Dtests=enabled >/dev/null
fi
ninja -C "$build" --quiet
if [ $# -eq 0 ]; then
    # shellcheck disable=SC2046 # words on purpose
    set -- $(meson test -C "$build" --list 2>/dev/null | sed -n 's/^gemmlp.* \/ //p; /^[a-z0-9_]*$/p' |
        grep -vxE 'bench|cli|curves|faults|install|kill_campaign|resume|roof')
fi
exec meson test -C "$build" --no-rebuild --num-processes 1 --timeout-multiplier 10 --print-errorlogs "$@"
