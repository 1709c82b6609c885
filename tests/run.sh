#!/bin/sh
# Installs what building and testing need (Debian), builds, runs all tests. Arguments go to `meson setup`;
# BUILD names the build directory. The last line counts every single test.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build-tests}

sh bench/packages.sh libcmocka-dev gnuplot-nox strace '?libdnnl-dev' '?libxsmm-dev'
if [ -f "$build/build.ninja" ]; then
    meson configure "$build" "$@" >/dev/null
else
    log=$(meson setup "$build" -Dtests=enabled "$@" 2>&1) || { echo "$log" >&2; exit 1; }
fi
ninja -C "$build" --quiet

# Two tests at a time: most have one thread or two. Those that send signals and wait for times run alone
# (is_parallel in meson.build).
status=0
meson test -C "$build" --no-rebuild --num-processes 2 --print-errorlogs ||
    status=1
log=$build/meson-logs/testlog.txt
passed=$(grep -c '^ok ' "$log") || true
failed=$(grep -cE '^(not ok|FAILED) ' "$log") || true
[ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1 # a crash or a time-out names no test
echo "$passed passed, $failed failed"
[ "$status" -eq 0 ] && [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
