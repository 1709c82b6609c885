#!/bin/sh
# thread_sanitizer.sh [DATASETS]: builds with clang and ThreadSanitizer in BUILD (build-tsan) and trains small
# networks with two threads and our own kernels. GCC's OpenMP runtime cannot be used: its barriers are unknown to
# ThreadSanitizer, and everything behind them would be a race. LLVM's tells it of them through Archer, an OMPT
# tool (Debian: clang, libclang-rt-14-dev, libomp-dev). A BLAS, which is not instrumented, is left out. Two small
# programs show first that a race is seen, and that a barrier is not taken for one.
set -u
cd "$(dirname "$0")/.." || exit 2
datasets=${1:-datasets}
build=${BUILD:-build-tsan}
archer=$(find /usr/lib/llvm-*/lib -name libarcher.so 2>/dev/null | sort | tail -n 1)
[ -n "$archer" ] || { echo "libarcher.so is missing (Debian: package libomp-dev)" >&2; exit 2; }
[ -f "$build/build.ninja" ] ||
    CC=clang meson setup "$build" -Dtests=disabled -Db_sanitize=thread -Db_lundef=false -Donednn=disabled \
        -Dxsmm=disabled -Dbuildtype=debugoptimized -Dc_args=-Wno-pass-failed >/dev/null || exit 2
ninja -C "$build" --quiet gemmlp || exit 2
export OMP_TOOL_LIBRARIES="$archer"
export TSAN_OPTIONS="ignore_noninstrumented_modules=1 exitcode=66"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

# expect CODE NAME COMMAND…
expect() {
    want=$1 name=$2
    shift 2
    "$@" >"$scratch/out" 2>&1
    code=$?
    if [ $code -eq "$want" ]; then
        echo "ok $name"
    else
        echo "FAILED $name: exit code $code instead of $want"
        head -n 30 "$scratch/out"
        failed=1
    fi
}

# control BARRIER: two threads write one number, each in its own half of a region.
control() {
    cat >"$scratch/c.c" <<END
#include <omp.h>
int main(void)
{
    int shared = 0;
#pragma omp parallel num_threads(2)
    {
        if (omp_get_thread_num() == 0)
            shared = 1;
        $1
        if (omp_get_thread_num() == 1)
            shared = 2;
    }
    return shared == 0;
}
END
    clang -g -O1 -fopenmp -fsanitize=thread "$scratch/c.c" -o "$scratch/c"
}
control ""
expect 66 "a race is seen" "$scratch/c"
control "_Pragma(\"omp barrier\")"
expect 0 "a barrier is none" "$scratch/c"

train="$build/gemmlp train --data $datasets/mnist --hidden 64,32 --batch 500 --epochs 1 --threads 2 --provider native --quiet"
# shellcheck disable=SC2086
{
    expect 0 "train, adam, dropout, validation" $train --dropout 0.2 --valid 0.2 --model "$scratch/m.safetensors"
    expect 0 "train, sgd" $train --optimizer sgd
    expect 0 "train, momentum, clipped" $train --optimizer momentum --clip-norm 1 --activation tanh
    expect 0 "train, a last batch that is smaller" $train --batch 700 --optimizer rmsprop
}
expect 0 "eval" "$build/gemmlp" eval "$scratch/m.safetensors" --data "$datasets/mnist" --threads 2 --provider native
expect 0 "predict" "$build/gemmlp" predict "$scratch/m.safetensors" --data "$datasets/mnist" --threads 2 \
    --provider native --output "$scratch/p.csv"
exit $failed
