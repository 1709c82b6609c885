#!/bin/sh
# test_bench.sh GEMMLP DATASETS FAKES: `gemmlp bench` as its users and their scripts meet it. FAKES is the
# directory of the libraries made of fake_blas.c: a good one, and ones that err, crash, hang or are empty.
# No test here looks at how fast anything was.
# shellcheck source=tests/cli_checks.sh
. "$(dirname "$0")/cli_checks.sh"
fakes=$3
fake() { echo "$fakes/libfake_$1.so"; }
# Every round measures the roofs of the machine, which takes longer than all that is small: one round, unless
# rounds are what is tested.
once="-r 2 --rounds 1 --threads 1"
small="--network 20-8-3:4 -r 3 --rounds 1 --seconds 1"

# one KEY VALUE: the only record on stdout has it.
one() {
    [ "$(value "$1")" = "$2" ]
    verdict "$name, $1 is $2" "it is '$(value "$1")'"
}

test_usage() {
    run "bench: help" 0 bench --help
    says out '^  gemmlp bench step'
    for option in network batch m n k operation threads provider repetitions rounds format save compare plot list; do
        says out "  (-r, )?--$option"
    done
    refuses "bench: no suite" 2 "SUITE is missing" bench
    refuses "bench: unknown suite" 2 "unknown suite 'gem'; did you mean 'gemm'\? valid: gemm, step, backends" bench gem
    refuses "bench: unknown provider" 2 "unknown provider 'openblass'; did you mean 'openblas'" bench gemm --provider openblass
    refuses "bench: bad shape" 2 "--network: expected SIZES.*found '784-0-10'" bench step --network 784-0-10
    refuses "bench: bad batch" 2 "--network: expected SIZES.*found '784-10:x'" bench step --network 784-10:x
    refuses "bench: unknown activation" 2 "--network: unknown activation 'rleu'; did you mean 'relu'" bench step --network 784-10:4:rleu
    refuses "bench: bad range" 2 "--m: expected whole numbers.*found '9-3'" bench gemm --m 9-3 --n 1 --k 1
    refuses "bench: endless range" 2 "--m: .*found '1-9\*1'" bench gemm --m '1-9*1' --n 1 --k 1
    refuses "bench: half a shape" 2 "--m, --n, --k: expected all three" bench gemm --m 5
    refuses "bench: bad operation" 2 "--operation: expected NN, NT.*found 'XY'" bench gemm --m 1 --n 1 --k 1 --operation XY
    refuses "bench: products of steps" 2 "--m: bench step has no use for it" bench step --m 1 --n 1 --k 1
    refuses "bench: a step's option" 2 "--optimizer: bench gemm has no use for it" bench gemm --optimizer sgd
    refuses "bench: a step's option in backends" 2 "--optimizer: .*expected --measure step" bench backends --optimizer sgd
    refuses "bench: another suite's option" 2 "--target: bench step has no use.*accuracy" bench step --target 0.9
    refuses "bench: two formats" 2 "--json: expected no --format csv" bench gemm --json --format csv
    refuses "bench: step in double" 2 "f32 and bf16 only" bench step --precision f64
    refuses "bench: no data" 2 "--data is missing" bench accuracy
    refuses "bench: plot to a text" 2 "svg.*png" bench gemm --m 2 --n 2 --k 2 --plot picture.txt
    refuses "bench: no old report" 3 "none.json" bench gemm --m 2 --n 2 --k 2 --compare none.json
    echo '{"records": 5}' >odd.json
    refuses "bench: an odd report" 3 "odd.json" bench gemm --m 2 --n 2 --k 2 --compare odd.json
}

test_lists() {
    run "bench: ranges" 0 bench gemm --list --m 1-8*2 --n 3,5-9+2 --k 7 --operation NN,TN --threads 1,2
    [ "$(wc -l <out)" -eq $((4 * 4 * 2 * 2)) ]
    verdict "$name, 64 cases" "$(wc -l <out) lines"
    says out '^TN 8x9x7, 2 threads$'
    run "bench: products of a network" 0 bench gemm --list --network 20-8-8-3:4 --threads 1
    says out '^20-8-8-3 B=4 layer 0 gradient, 1 thread$'
    says out '^20-8-8-3 B=4 layer 2 backward, 1 thread$'
    [ "$(grep -c 'layer 0 backward' out)" -eq 0 ]
    verdict "$name, no input gradient" "there is one"
    run "bench: lists of a step" 0 bench step --list --network 20-8-3,30-4:7:tanh --batch 2,4 --optimizer sgd,adam \
        --threads 1
    [ "$(wc -l <out)" -eq 8 ]
    verdict "$name, 8 cases" "$(wc -l <out) lines"
    says out '^30-4 tanh B=4 adam, 1 thread$'
    run "bench: what accuracy does" 0 bench accuracy --list --data somewhere
    says out '^98.5 %: gemmlp train --data somewhere --hidden 384'
}

# shellcheck disable=SC2086 # words on purpose
test_gemm() {
    run "bench gemm" 0 bench gemm $small --threads 1
    says out '\| 20-8-3 B=4 layer 0 forward +\|'
    says out 'peak'
    run "bench gemm: json" 0 bench gemm --m 5 --n 6 --k 7 --operation NT -r 4 --threads 1 --format json
    for key in suite command date version compiler cpu cpus roofs peak_gflops bandwidth_gbytes case status provider \
        provider_path provider_version operation m n k precision threads threads_ran repetitions seconds_median \
        seconds_min seconds_mean seconds_sd samples gflops peak_fraction intensity roof_fraction residual tolerance \
        verified; do
        grep -q "\"$key\": " out
        verdict "$name, JSON has $key" "it has not"
    done
    tr -d '\n' <out >line && mv line out
    one repetitions 4
    one flop 420.0
    one case "NT 5x6x7"
    run "bench gemm: f64" 0 bench gemm --m 33 --n 17 --k 65 --operation TT --precision f64 $once --format jsonl
    says out '"precision":"f64"'
    says out '"verified":true'
    run "bench gemm: bf16" 0 bench gemm --m 33 --n 17 --k 65 --operation TN --precision bf16 --provider reference $once \
        --format jsonl
    says out '"precision":"bf16"'
    says out '"verified":true'
    run "bench gemm: reference, csv" 0 bench gemm --m 9 --n 9 --k 9 $once --provider reference --format csv
    [ "$(wc -l <out)" -eq 2 ]
    verdict "$name, a head and a row" "$(wc -l <out) lines"
    says out '^gemm,NN 9x9x9,ok,reference,'
    run "bench gemm: too large" 1 bench gemm --m 16000000 --n 16000000 --k 16000000 $once
    says out 'FAILED'
    says out 'too large: expected at most a quarter'
}

# shellcheck disable=SC2086
test_wrong_libraries() {
    for kind in wrong nan; do
        run "bench gemm: a library that is $kind" 1 bench gemm --m 40 --n 50 --k 60 --operation NN,NT,TN $once \
            --provider "$(fake $kind)" --format jsonl
        [ "$(grep -c '"status":"wrong"' out)" -eq 3 ]
        verdict "$name, told three times" "it is not"
        ! grep -q '"seconds_median"\|"gflops"' out
        verdict "$name, not timed" "it was"
        run "bench step: a library that is $kind" 1 bench step $small --threads 1 --provider "$(fake $kind)" --format jsonl
        says out '"status":"wrong"'
        ! grep -q 'seconds_median' out
        verdict "$name, not timed" "it was"
    done
    run "bench gemm: a library that stops working" 1 bench gemm --m 40 --n 50 --k 60 -r 3 --rounds 2 \
        --threads 1 --provider "$(fake tired)" --format jsonl
    says out '"status":"wrong".*the product holds NaN'
    run "bench step: a library that stops working" 1 bench step $small --threads 1 --provider "$(fake tired)" \
        --format jsonl
    says out '"status":"wrong".*a product of the step holds NaN'
    refuses "bench: an empty library" 2 "cblas_sgemm" bench gemm --m 2 --n 2 --k 2 --provider "$(fake empty)"
    refuses "bench: no library at all" 2 "none.so.*No such file" bench gemm --m 2 --n 2 --k 2 --provider ./none.so
}

# shellcheck disable=SC2086
test_step() {
    run "bench step" 0 bench step $small --threads 1
    says out '20-8-3 relu B=4 sgd'
    says out 'gather'
    run "bench step: two activations, three optimizers" 0 bench step --network 20-8-8-3:4:sigmoid,20-8-8-3:4:gelu \
        --optimizer sgd,momentum,adam -r 2 --rounds 2 --threads 2 --format jsonl
    for activation in sigmoid gelu; do
        for optimizer in sgd momentum adam; do
            name="bench step: $activation, $optimizer"
            grep "\"case\":\"20-8-8-3 $activation B=4 $optimizer\",\"status\":\"ok\"" out >row
            verdict "$name, is ok" "$(grep "20-8-8-3 $activation B=4 $optimizer" out | cut -c 1-200)"
            for key in network batch optimizer activation examples_per_second naive_seconds naive_speedup fair_seconds \
                fair_speedup parts gather forward_gemm forward_epilogue loss backward_gemm backward_epilogue \
                gradient_gemm update residual; do
                grep -q "\"$key\":" row
                verdict "$name, JSON has $key" "it has not"
            done
        done
    done
    # 4 examples of 6 x (160 + 24) - 2 x 160 FLOP
    run "bench step: without input gradient and references" 0 bench step $small --threads 1 --no-reference --format json
    says out '"flop": 3136.0'
    says out '"verified": true'
    ! grep -q naive_seconds out
    verdict "$name, none timed" "there is one"
    run "bench step: too large" 1 bench step --network 8000000-8000000-10:4 --threads 1 -r 1
    says out 'expected at most what is free'
}

test_backends() {
    # The others meanwhile. A child that works is heard of every 10 s.
    "$gemmlp" bench backends --provider "$(fake hang),$(fake good)" --m 20 --n 30 --k 10 -r 2 --rounds 1 --threads 1 \
        --timeout 10 --format jsonl >hung 2>hung.err </dev/null &
    hanging=$!
    list="$(fake good),$(fake scipy),$(fake crash),$(fake wrong),$(fake empty),$(fake exit),./none.so"
    run "bench backends: good and bad ones" 1 bench backends --provider "$list" --m 20 --n 30 --k 10 \
        --operation NN,NT -r 4 --rounds 2 --threads 1 --format jsonl
    is_json out
    verdict "$name, lines of JSON" "they are not"
    [ "$(grep '"status":"ok"' out | grep -c '"repetitions":4,')" -eq 4 ]
    verdict "$name, the rounds of the two good ones are put together" "they are not"
    [ "$(grep -c '"case":"NT 20x30x10"' out)" -eq 7 ]
    verdict "$name, every library has a row for every case" "$(grep -c '"case":"NT 20x30x10"' out) have one"
    says out '"status":"failed".*not measured'
    says out '"case":"NT 20x30x10".*"status":"crashed".*libfake_exit'
    says out '"status":"crashed".*ended by signal'
    says out '"status":"wrong".*libfake_wrong'
    says out '"status":"failed".*libfake_empty'
    says out '"status":"failed".*none.so'
    refuses "bench backends: no such name" 2 "unknown provider 'openblass'" bench backends --provider openblas,openblass
    refuses "bench backends: an empty name" 2 "provider" bench backends --provider openblas,
    mkdir "a,b"
    cp "$(fake good)" "a,b/good lib.so"
    run "bench backends: a path with a comma and a blank" 0 bench backends --provider "./a,b/good lib.so" --m 4 --n 4 \
        --k 4 -r 2 --rounds 1 --threads 1 --format jsonl
    says out 'a,b/good lib.so"'
    run "bench backends: those installed" 0 bench backends --list --m 4 --n 4 --k 4
    says out 'openblas.* /'
    run "bench backends: steps" 0 bench backends --provider openblas --measure step --network 20-8-3:4 -r 2 --rounds 1 \
        --threads 2 --format jsonl
    says out '"suite":"step".*"verified":true'
    says out '"provider_path":"/'
    wait $hanging
    code=$?
    name="bench backends: one that hangs"
    [ $code -eq 1 ]
    verdict "$name, exit code 1" "it is $code: $(tail -n 1 hung.err)"
    says hung '"status":"hung".*killed'
    says hung '"status":"ok".*libfake_good'
}

test_threads() {
    run "bench threads: one round" 0 bench threads --network 20-8-3:4 -r 1 --threads 1,2 --format jsonl
    [ "$(grep -c '"speedup":.*"efficiency":' out)" -eq 2 ]
    verdict "$name, speed-up and efficiency of both" "they are not there"
    run "bench threads: a library by its path" 0 bench threads --provider "$(fake scipy)" --measure gemm --m 9 --n 9 \
        --k 9 -r 4 --rounds 2 --threads 1,2 --format jsonl
    [ "$(grep -c '"provider_path":".*libfake_scipy.so".*"repetitions":4,' out)" -eq 2 ]
    verdict "$name, the same library in every round" "it is not"
    [ "$(grep -c '"efficiency":' out)" -eq 2 ]
    verdict "$name, efficiency of both" "it is not there"
    run "bench threads: of a product" 0 bench threads --measure gemm --m 20 --n 20 --k 20 -r 2 --rounds 1 --threads 1,2
    says out 'NN 20x20x20'
}

test_accuracy() {
    run "bench accuracy" 0 bench accuracy --data "$datasets/mnist" --train "--hidden 16 --epochs 1" --target 0.8 \
        --seeds 1-2 --format jsonl
    says out '"reached":2'
    says out '"seeds":2'
    says out 'train --data .*--hidden 16 --epochs 1'
    run "bench accuracy: out of reach" 1 bench accuracy --data "$datasets/mnist" --train "--hidden 4 --epochs 1" \
        --target 0.99 --seeds 1 --format jsonl
    says out '"status":"missed"'
    run "bench accuracy: a bad recipe" 1 bench accuracy --data "$datasets/mnist" --train "--hidden x" --seeds 1
    says out 'FAILED'
    says out '--hidden: expected'
}

# shellcheck disable=SC2086
test_compare() {
    run "bench: save" 0 bench gemm --m 30 --n 30 --k 30,40 -r 5 --rounds 1 --threads 1 --save old.json
    run "bench: compare" 0 bench gemm --m 30 --n 30 --k 30,50 -r 5 --rounds 1 --threads 1 --compare old.json
    says out 'NN 30x30x50.*new'
    says out 'NN 30x30x30.*(same|faster|slower|not comparable)'
    run "bench: compare in JSON" 0 bench gemm --m 30 --n 30 --k 30 -r 5 --rounds 1 --threads 1 --compare old.json --format json
    says out '"verdict": '
    refuses "bench: a report against itself" 2 "--save: expected another file than that of --compare" bench gemm \
        --m 3 --n 3 --k 3 --compare old.json --save ./old.json
    run "bench: a full disk" 1 bench gemm --m 3 --n 3 --k 3 $once --save /dev/full
    says err '/dev/full'
    says out 'NN 3x3x3'
}

# shellcheck disable=SC2086
test_plot() {
    mkdir empty
    PATH=$PWD/empty run "bench: no gnuplot" 1 bench gemm --m 3 --n 3 --k 3 $once --plot lost.svg
    says err 'warning: --plot: there is no program gnuplot'
    says err 'lost.svg was not drawn'
    says out 'NN 3x3x3'
    echo mine >notes.gp
    refuses "bench: a script of the user's" 2 "notes.gp would be replaced" bench gemm --m 3 --n 3 --k 3 --plot notes.svg
    [ "$(cat notes.gp)" = mine ]
    verdict "$name, and is kept" "it is not"
    if command -v gnuplot >/dev/null; then
        run "bench: plot" 0 bench gemm --m 30 --n 30 --k 30 $once --plot roof.svg
        grep -q '<svg' roof.svg && [ -s roof.dat ] && [ -s roof.gp ]
        verdict "$name, picture, data and script" "$(ls)"
    fi
}

# interrupt ARGUMENTS…: Ctrl-C as soon as the first record is there; what is finished is printed.
interrupt() {
    "$gemmlp" "$@" >out 2>err &
    while ! grep -q '"case"' out && kill -0 $! 2>/dev/null; do sleep 0.1; done
    sleep 0.5
    kill -INT $!
    wait $!
    code=$?
    name="bench: Ctrl-C in $2"
    [ "$code" -eq 1 ]
    verdict "$name, exit code 1" "it is $code"
    says err 'interrupted'
    says out '"interrupted": ?true'
    [ "$(grep -c '"case":"NN 4x4x4"' out)" -eq 1 ] && is_json out
    verdict "$name, what is finished is there" "it is not"
}

test_interrupt() {
    # the first case takes a second, the second at most three
    interrupt bench gemm --m 4 --n 4 --k 4,1000000 -r 400 --rounds 1 --seconds 3 --threads 1 --provider reference \
        --format jsonl
    # one record is enough: the child of the second library hangs
    "$gemmlp" bench backends --provider "$(fake good),$(fake hang)" --m 4 --n 4 --k 4 -r 2 --rounds 1 --threads 1 \
        --format json >out 2>err &
    until grep -qsa "libfake_han[g].so.--threads" /proc/[0-9]*/cmdline || ! kill -0 $! 2>/dev/null; do sleep 0.1; done
    sleep 0.5
    kill -INT $!
    wait $!
    name="bench: Ctrl-C in backends"
    says err 'interrupted'
    says out '"interrupted": true'
    says out '"case": "NN 4x4x4"'
}

test_stdout() {
    # shellcheck disable=SC2086
    "$gemmlp" bench gemm --m 4 --n 4 --k 4 $once --save kept.json 2>err >/dev/full
    code=$?
    name="bench: stdout is full"
    [ "$code" -eq 1 ]
    verdict "$name, exit code 1" "it is $code"
    says err 'standard output'
    grep -q '"case": "NN 4x4x4"' kept.json
    verdict "$name, the saved report is whole" "it is not"
}

test_usage
test_lists
test_gemm
test_wrong_libraries
test_step
test_backends
test_threads
test_accuracy
test_compare
test_plot
test_interrupt
test_stdout

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
