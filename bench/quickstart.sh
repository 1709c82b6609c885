#!/bin/sh
# From a fresh clone to a trained network: installs what is missing (Debian), builds, trains on MNIST,
# and measures one training step.
set -eu
cd "$(dirname "$0")/.."

sh bench/packages.sh
if [ ! -f build/build.ninja ]; then
    log=$(meson setup build 2>&1) || { echo "$log" >&2; exit 1; }
fi
ninja -C build --quiet gemmlp

echo "== gemmlp train --data datasets/mnist"
./build/gemmlp train --data datasets/mnist --model build/mnist.safetensors
echo
echo "== one training step, where its time goes, and beside plain loops"
./build/gemmlp bench step --network 784-256-10:128 --optimizer adam
