#!/bin/sh
# valgrind.sh GEMMLP DATASETS: small runs of the command under Valgrind's memcheck: no invalid access, no
# decision by what was never written, nothing lost. Needs valgrind; one thread, and providers without generated
# code, which Valgrind 3.19 would not know (it has no AVX-512 either: kernels are chosen by what the CPU says
# that it can, and under Valgrind it says AVX2). Takes a minute or two. Prints one line a run.

# shellcheck source=tests/cli_checks.sh
. "$(dirname "$0")/cli_checks.sh"
command -v valgrind >/dev/null || { echo "valgrind is missing (Debian: package valgrind)" >&2; exit 2; }

pair data 30 2 3
gzip -k data/train-*
train="--data data --hidden 8,5 --batch 10 --epochs 2 --threads 1 --quiet"

# What the OpenMP runtime and the dynamic loader keep for good is reachable, not lost.
checked() {
    name=$1
    shift
    OMP_NUM_THREADS=1 valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,indirect \
        --errors-for-leak-kinds=definite,indirect --track-origins=yes "$gemmlp" "$@" >out 2>err </dev/null
    code=$?
    [ $code -eq 0 ] && ! grep -q '^==' err
    verdict "$name" "exit code $code: $(grep -m 3 '^==' err | tr '\n' ' ')"
}

for provider in reference native; do
    # shellcheck disable=SC2086
    checked "train, $provider" train $train --provider $provider --valid 0.2 --patience 2 --dropout 0.2,0 \
        --model m.safetensors --log run.jsonl
done
for optimizer in sgd momentum nesterov rmsprop adamw; do
    # shellcheck disable=SC2086
    checked "train, $optimizer" train $train --provider reference --optimizer $optimizer --l1 0.001 --clip-norm 1
done
checked "eval" eval m.safetensors --data data --confusion --threads 1 --provider reference --quiet
checked "predict" predict m.safetensors --data data --proba --output p.csv --threads 1 --provider reference --quiet
checked "info" info m.safetensors
checked "explain" explain m.safetensors --data data --example 1
checked "gradcheck" gradcheck --hidden 3 --inputs 4 --outputs 2
checked "plot" plot run.jsonl --output run.svg
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
