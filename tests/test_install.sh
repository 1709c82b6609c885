#!/bin/sh
# Installs the library into a temporary folder and there compiles and runs the C program of the README, with
# nothing but what pkg-config says.
#   test_install.sh SOURCE_DIR BUILD_DIR
set -u
source=$1 build=$2
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
passed=0 failed=0

check() { # check NAME COMMAND…
    name=$1
    shift
    if "$@" >"$folder/log" 2>&1; then
        passed=$((passed + 1))
        echo "ok $name"
    else
        failed=$((failed + 1))
        echo "FAILED $name"
        sed 's/^/    /' "$folder/log"
    fi
}

check "meson install" meson install -C "$build" --no-rebuild --quiet --destdir "$folder/root"
PKG_CONFIG_PATH=$(dirname "$(find "$folder/root" -name gemmlp.pc)")
PKG_CONFIG_SYSROOT_DIR=$folder/root
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
check "pkg-config knows the version" pkg-config --exists 'gemmlp >= 0.1.0'
library=$(dirname "$(find "$folder/root" -name libgemmlp.so)")

sed -n '/^```c$/,/^```$/p' "$source/README.md" | sed '/^```/d' >"$folder/example.c"
check "README has a C program" test -s "$folder/example.c"
# shellcheck disable=SC2046 # words on purpose
check "README's program compiles without warnings" ${CC:-cc} -std=c11 -Wall -Wextra -Werror \
    $(pkg-config --cflags gemmlp) "$folder/example.c" -o "$folder/example" $(pkg-config --libs gemmlp)
cp -r "$source/datasets" "$folder/datasets"
cd "$folder" || exit 1
check "README's program runs" env LD_LIBRARY_PATH="$library:${LD_LIBRARY_PATH:-}" sh -c './example >output'
check "it reaches 97 % on MNIST" grep -E '9[789]\.[0-9]+ %' "$folder/output"
check "it wrote a model" test -s "$folder/mnist.safetensors"
# Only the public names are exported.
nm -D --defined-only "$library/libgemmlp.so" | awk '{print $3}' | grep -v '^gemmlp_' \
    >"$folder/foreign"
check "the shared library exports gemmlp_ names only" test ! -s "$folder/foreign"
# Which BLAS there is in a process is decided when it runs.
readelf -d "$library/libgemmlp.so" "$(find "$folder/root" -type f -name gemmlp)" >"$folder/needed"
check "the shared library and the command need libraries" grep -q NEEDED "$folder/needed"
check "no BLAS is among them" sh -c "! grep -iE 'NEEDED.*(blas|lapack|blis|mkl)' '$folder/needed'"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
