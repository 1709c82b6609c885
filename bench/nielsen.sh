#!/bin/sh
# Nielsen's experiments ("Neural Networks and Deep Learning", chapters 1 and 3) on his network 784-30-10:
# his first program, then the three steps of network2 one after the other, each with what it gains.
#   sh bench/nielsen.sh [SEEDS]        after bench/quickstart.sh; test accuracy per seed, and the median
set -eu
cd "$(dirname "$0")/.."
gemmlp=${GEMMLP:-build/gemmlp}
seeds=${1:-3}

field() { sed -n "s/.*\"$1\": *\([0-9.e+-]*\).*/\1/p"; }

run() { # run NAME OPTION…
    name=$1 accuracies='' seconds=0
    shift
    seed=1
    while [ "$seed" -le "$seeds" ]; do
        result=$("$gemmlp" train --data datasets/mnist --hidden 30 --activation sigmoid \
            --output-activation sigmoid --preprocess scale --label-smoothing 0 --optimizer sgd \
            --schedule constant --batch 10 --epochs 30 --seed "$seed" --quiet --json "$@")
        accuracies="$accuracies $(echo "$result" | field test_accuracy)"
        seconds=$(echo "$result" | field train_seconds)
        seed=$((seed + 1))
    done
    # shellcheck disable=SC2086 # numbers apart
    median=$(printf '%s\n' $accuracies | sort -n | sed -n "$(((seeds + 1) / 2))p")
    printf '%-42s median %s  (%s )  %.1f s\n' "$name" "$median" "$accuracies" "$seconds"
}

run "quadratic cost, N(0, 1), eta 3" --loss half_quadratic --init normal --lr 3
run "cross-entropy, eta 0.5" --loss cross_entropy --init normal --lr 0.5
run "+ weights from N(0, 1/sqrt(n_in))" --loss cross_entropy --init nielsen --lr 0.5
run "+ L2, lambda = 5 (of n = 50000: 1e-4)" --loss cross_entropy --init nielsen --lr 0.5 --l2 1e-4
