#!/bin/sh
# Nielsen's experiments ("Neural Networks and Deep Learning", chapters 1 and 3) on his network 784-30-10:
# his first program, then the three steps of network2 one after the other, each with what it gains.
#   sh bench/nielsen.sh [SEEDS]        after bench/quickstart.sh; test accuracy of each seed and
# its median, median seconds of training
set -eu
cd "$(dirname "$0")/.."
gemmlp=${GEMMLP:-build/gemmlp}
seeds=${1:-3}

field() { sed -n "s/.*\"$1\": *\([0-9.e+-]*\).*/\1/p"; }

median() { printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"; } # of an even number: the lower

run() { # run NAME OPTION…
    name=$1 accuracies='' seconds=''
    shift
    seed=1
    while [ "$seed" -le "$seeds" ]; do
        result=$("$gemmlp" train --data datasets/mnist --hidden 30 --activation sigmoid \
            --output-activation sigmoid --preprocess scale --label-smoothing 0 --optimizer sgd \
            --schedule constant --batch 10 --epochs 30 --seed "$seed" --quiet --json "$@")
        accuracies="$accuracies $(echo "$result" | field test_accuracy)"
        seconds="$seconds $(echo "$result" | field train_seconds)"
        seed=$((seed + 1))
    done
    # shellcheck disable=SC2086 # numbers apart
    printf '%-42s median %s  (%s )  %.1f s\n' "$name" "$(median $accuracies)" "$accuracies" \
        "$(median $seconds)"
}

run "quadratic cost, N(0, 1), eta 3" --loss half_quadratic --init normal --lr 3
run "cross-entropy, eta 0.5" --loss cross_entropy --init normal --lr 0.5
run "+ weights from N(0, 1/sqrt(n_in))" --loss cross_entropy --init nielsen --lr 0.5
# Nielsen's lambda / n; he has 5 for n = 50000.
run "+ L2, lambda/n = 1e-4" --loss cross_entropy --init nielsen --lr 0.5 --l2 1e-4
