#!/bin/sh
# From a fresh clone to a trained network: installs what is missing (Debian), builds, trains on MNIST,
# and compares one training step with the naive loop.
set -eu
cd "$(dirname "$0")/.."

sh bench/packages.sh
if [ ! -f build/build.ninja ]; then
    log=$(meson setup build 2>&1) || { echo "$log" >&2; exit 1; }
fi
ninja -C build --quiet gemmlp bench/bench-step

echo "== gemmlp train --data datasets/mnist"
./build/gemmlp train --data datasets/mnist --model build/mnist.safetensors
echo
echo "== one training step beside the naive loop"
./build/bench/bench-step --network 784-256-10 --batch 128 --optimizer adam
