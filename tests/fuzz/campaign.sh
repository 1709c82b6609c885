#!/bin/sh
# campaign.sh [SECONDS [TARGET…]]: fuzzes each reader (all, or those named) for SECONDS (60) with libFuzzer,
# AddressSanitizer and UndefinedBehaviorSanitizer. Needs clang with its run-time library (Debian: clang,
# libclang-rt-14-dev, libomp-dev). Environment:
#   BUILD     build directory, made where there is none (build-fuzz)
#   CORPUS    where inputs grow from one campaign to the next (BUILD/corpus); the seeds of tests/fuzz/corpus
#             are always read too
#   WRAP      a command in front of each run, such as `nice`
# Prints a line per target: runs, edges covered, findings; the sum of all campaigns stands in CORPUS/log. A
# finding is left in CORPUS/findings; once it is fixed it belongs into tests/fuzz/corpus/TARGET, where the
# tests replay it. The exit code is 1 when there was one.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-60}
[ $# -eq 0 ] || shift
build=${BUILD:-build-fuzz}
corpus=${CORPUS:-$build/corpus}

if [ ! -f "$build/build.ninja" ]; then
    CC=clang meson setup "$build" -Dfuzz=true -Dtests=enabled -Db_sanitize=address,undefined -Db_lundef=false \
        -Dbuildtype=debugoptimized >/dev/null
fi
if [ $# -eq 0 ]; then
    # shellcheck disable=SC2046 # one word a target
    set -- $(cd tests/fuzz/corpus && echo *)
fi
# shellcheck disable=SC2086 # WRAP is a command
for target; do
    echo "tests/fuzz/fuzz_$target"
done | xargs ${WRAP:-} ninja -C "$build" --quiet

export ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=1:handle_abort=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export OMP_NUM_THREADS=1
scratch=$(mktemp -d -p "$(test -w /dev/shm && echo /dev/shm || echo /tmp)")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 2' HUP INT TERM
mkdir -p "$corpus/findings"
findings=0
printf '%-8s %12s %8s %9s\n' target runs edges findings
for target; do
    mkdir -p "$corpus/$target" "$scratch/$target"
    # Inputs of up to 4 KiB find more in the same time; memory is bounded as no reader may ask for more.
    # shellcheck disable=SC2086
    TMPDIR=$scratch/$target ${WRAP:-} "$build/tests/fuzz/fuzz_$target" "$corpus/$target" \
        "tests/fuzz/corpus/$target" -dict="tests/fuzz/$target.dict" -max_len=4096 -rss_limit_mb=1024 \
        -malloc_limit_mb=256 -timeout=10 -max_total_time="$seconds" -print_final_stats=1 \
        -artifact_prefix="$corpus/findings/$target-" >"$scratch/log" 2>&1 && found=0 || found=1
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$scratch/log")
    edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$scratch/log" | tail -n 1)
    printf '%-8s %12s %8s %9s\n' "$target" "${runs:-?}" "${edges:-?}" "$found"
    echo "$target $seconds ${runs:-0} ${edges:-0} $found" >>"$corpus/log"
    if [ "$found" -ne 0 ]; then
        grep -E 'ERROR|runtime error|not so:|SUMMARY|Test unit written' "$scratch/log" | sed 's/^/    /' || true
        findings=$((findings + 1))
    fi
done
awk '{ seconds += $2; runs += $3; found += $5 }
     END { printf "all campaigns: %d s, %d runs, %d findings\n", seconds, runs, found }' "$corpus/log"
[ "$findings" -eq 0 ]
