#!/bin/sh
# test_resume.sh GEMMLP DATASETS: a batch job that is stopped, killed, damaged and resumed, as its user meets
# it. Prints one line a check; the last line counts them; the exit code is 1 when one failed.

tests=$(cd "$(dirname "$0")" && pwd) || exit 2
# shellcheck source=tests/cli_checks.sh
. "$tests/cli_checks.sh"
# shellcheck source=tests/resume_checks.sh
. "$tests/resume_checks.sh"

some_mnist few 1000
epochs=8
# 50 steps an epoch.
job="train --data few --hidden 32 --epochs $epochs --batch 16 --valid 0.2 --threads 1 --dropout 0.1"

# A process that is there long enough to get signals: a step takes about a tenth of a second.
slow="train --data few --hidden 400 --epochs 1000 --batch 200 --threads 1 --provider reference"

# background ARGUMENTS…: starts gemmlp, and waits until it trains. SIGHUP is not ignored, though this test were
# started by nohup.
background() {
    env --default-signal=HUP "$gemmlp" "$@" >out 2>err </dev/null &
    pid=$!
    waited=0
    while ! grep -q 'parameters' err && kill -0 $pid 2>/dev/null && [ $((waited += 1)) -lt 200 ]; do
        sleep 0.05
    done
    sleep 0.3
}

# ends NAME CODE: how the background process ends.
ends() {
    name=$1
    wait $pid
    code=$?
    [ "$code" -eq "$2" ]
    verdict "$name" "exit code $code instead of $2"
}

# same_model NAME FILE
same_model() {
    [ "$(digest "$2")" = "$(digest whole.safetensors)" ]
    verdict "$1 gives the bytes of a run in one go" "they differ"
}

# no_leftovers NAME DIRECTORY
no_leftovers() {
    left=$(find "$2" -maxdepth 1 -name '.*.tmp')
    [ -z "$left" ]
    verdict "$1 leaves no temporary file" "$left"
}

run "a run in one go" 0 $job --model whole.safetensors --log whole.jsonl
log_is_one_run whole.jsonl $epochs
verdict "its log is one run" "$(cut -c 1-60 whole.jsonl)"

# ---- what is refused ---------------------------------------------------------------------------

test_usage() {
    refuses "resume without a checkpoint" 3 'there is no checkpoint in nowhere; with --checkpoint nowhere' \
        $job --resume nowhere
    [ ! -e nowhere ]
    verdict "it makes no directory" "it does"
    refuses "allow-mismatch without resume" 2 'is for --resume DIR' $job --allow-mismatch
    refuses "keep without checkpoint" 2 'expected --checkpoint DIR too' $job --keep 3
    for every in 0 0m m 5h -1 1.5m 99999999999s ''; do
        refuses "--checkpoint-every '$every'" 2 '^gemmlp: --checkpoint-every: expected' \
            $job --checkpoint u --checkpoint-every "$every"
    done
    refuses "--keep 0" 2 'expected a whole number from 1' $job --checkpoint u --keep 0
    refuses "a directory that is a file" 1 '^gemmlp: --checkpoint: err/x: ' $job --checkpoint err/x
}

# ---- stopped and resumed -----------------------------------------------------------------------

test_stop() {
    name="the same command line every time"
    run "$name, first" 0 $job --epochs 1 --checkpoint idiom --resume idiom
    says err '^no checkpoint in idiom yet: the run starts anew$'
    # Stopped after each handful of steps, by a signal that comes as soon as there is a checkpoint.
    rm -rf c part.jsonl
    for signal in TERM INT USR1 XCPU HUP; do
        "$gemmlp" $job --checkpoint c --resume c --checkpoint-every 10 --keep 3 --model part.safetensors \
            --log part.jsonl >out 2>err </dev/null &
        pid=$!
        before=$(ls c 2>/dev/null | tail -n 1)
        waited=0
        while [ "$(ls c 2>/dev/null | tail -n 1)" = "$before" ] && kill -0 $pid 2>/dev/null &&
            [ $((waited += 1)) -lt 500 ]; do
            sleep 0.01
        done
        kill -$signal $pid 2>/dev/null
        wait $pid
        code=$?
        [ $code -eq 75 ] || { [ $code -eq 0 ] && grep -q 'run is finished\|epoch 8/8' err; }
        verdict "SIG$signal ends it with 75" "exit code $code"
        [ $code -eq 0 ] || grep -q "^stopped by SIG$signal after a checkpoint at step [0-9]*; --resume c goes on" err
        verdict "SIG$signal is told" "$(tail -n 1 err)"
        [ "$(ls c | wc -l)" -le 3 ]
        verdict "--keep 3 after SIG$signal" "$(ls c | wc -l) files"
    done
    run "resumed to the end" 0 $job --checkpoint c --resume c --model part.safetensors --log part.jsonl
    same_model "stopped by five signals, it" part.safetensors
    log_is_one_run part.jsonl $epochs
    verdict "the log of all parts is one run" "$(cut -c 1-60 part.jsonl)"
    grep -q '^{"event":"checkpoint","epoch":[0-9]*,"step":' part.jsonl
    verdict "the log has checkpoints" "$(cut -c 1-60 part.jsonl)"
    grep -q '"event":"run".*"resumed_from":"/.*/c/step-[0-9]*.safetensors","epoch":[0-9]*,"step":[0-9]*' part.jsonl
    verdict "the log says from where it was resumed" "no"
    # What was printed of the last epoch is what the undisturbed run printed.
    for key in train_loss train_accuracy valid_loss valid_accuracy lr; do
        sed -n "s/^{\"event\":\"epoch\".*\"$key\":\([^,]*\),.*/\1/p" part.jsonl >figures.part
        sed -n "s/^{\"event\":\"epoch\".*\"$key\":\([^,]*\),.*/\1/p" whole.jsonl >figures.whole
        cmp -s figures.part figures.whole && [ -s figures.part ]
        verdict "$key of every epoch is the same" "$(diff figures.part figures.whole | head -n 2)"
    done
    no_leftovers "all that" c

    # Elsewhere, with nothing but the directory; then once more when it is finished.
    rm part.safetensors
    mkdir -p elsewhere
    (cd elsewhere && "$gemmlp" train --resume ../c --json --quiet >../out 2>../err </dev/null)
    code=$?
    name="a finished run"
    [ $code -eq 0 ]
    verdict "$name, resumed, is done" "exit code $code"
    json_with model test_accuracy steps epochs
    [ "$(value steps) $(value epochs)" = "400 $epochs" ]
    verdict "$name counts the whole run" "$(value steps) steps, $(value epochs) epochs"
    same_model "$name, resumed," part.safetensors
    log_is_one_run part.jsonl $epochs
    verdict "$name, resumed, has one end in its log" "$(cut -c 1-60 part.jsonl | tail -n 4)"
    run "$name is told" 0 train --resume c
    says err '^resumed from c/step-000000400.safetensors: 8 of 8 epochs, 400 steps; the run is finished$'
    refuses "a directory with another run" 2 \
        'c/step-000000400.safetensors holds checkpoints of a run already; --resume c goes on' $job --checkpoint c
    run "a checkpoint is a model" 0 eval c/step-000000400.safetensors --data few --threads 1
}

test_more_epochs() {
    steady="train --data few --hidden 32 --batch 16 --threads 1 --schedule constant --optimizer momentum"
    run "8 epochs" 0 $steady --epochs 8 --model eight.safetensors
    run "4 epochs" 0 $steady --epochs 4 --checkpoint more --model four.safetensors
    run "4 more" 0 train --resume more --epochs 8
    [ "$(digest eight.safetensors)" = "$(digest four.safetensors)" ]
    verdict "4 epochs and 4 more are 8" "they are not"
    refuses "fewer epochs" 2 'has completed 8 epochs' train --resume more --epochs 3
    refuses "more epochs of one_cycle" 2 'training.epochs was 8, is 9.*; --allow-mismatch goes on' \
        train --resume c --epochs 9
    run "more epochs of one_cycle, allowed" 0 train --resume idiom --epochs 2 --allow-mismatch
    says err '^gemmlp: --allow-mismatch: training.epochs was 1, is 2'
}

# ---- conditions --------------------------------------------------------------------------------

test_mismatch() {
    refuses "other threads" 2 'threads was 1, is 2; --allow-mismatch' train --resume c --threads 2
    refuses "another provider" 2 'provider was "[a-z]*", is "reference"' train --resume c --provider reference
    library=$GEMMLP_FAKES/libfake_good.so
    run "a run by a library's path" 0 train --data few --hidden 8 --epochs 1 --schedule constant --threads 1 --provider "$library" \
        --checkpoint by_path
    refuses "a checkpoint does not choose what is loaded" 2 'provider was ' train --resume by_path --epochs 2
    run "the library is named again" 0 train --resume by_path --epochs 2 --provider "$library"
    refuses "another rate" 2 'training.lr was 0.[0-9]*, is 0.3' train --resume c --lr 0.3
    refuses "another network" 2 'network.layers\[0\].n_out was 32, is 16' train --resume c --hidden 16
    refuses "another network, allowed" 3 'layers.0.weight should be' \
        train --resume c --hidden 16 --allow-mismatch
    refuses "another seed" 2 'training.seed was "0", is "4"' train --resume c --seed 4
    run "what agrees may be said again" 0 train --resume c --hidden 32 --batch 16 --data few
    cp -r few other
    printf '\003' | dd of=other/train-labels-idx1-ubyte bs=1 seek=500 conv=notrunc 2>/dev/null
    refuses "other data" 2 'data.[a-z]*.crc32 was' train --resume c --data other
    run "other threads, allowed" 0 train --resume c --threads 2 --allow-mismatch
    says err '^gemmlp: --allow-mismatch: threads was 1, is 2'
}

# ---- damage ------------------------------------------------------------------------------------

test_damage() {
    for damage in truncated empty flipped; do
        rm -rf d
        run "a run to damage" 0 $job --epochs $epochs --checkpoint d --checkpoint-every 130 --keep 3 \
            --model damaged.safetensors --log damaged.jsonl
        rm damaged.safetensors
        newest=d/step-000000400.safetensors
        case $damage in
            truncated) head -c 5000 $newest >half && mv half $newest ;;
            empty) : >$newest ;;
            flipped) printf '\377' | dd of=$newest bs=1 seek=20000 conv=notrunc 2>/dev/null ;;
        esac
        run "the newest is $damage" 0 train --resume d
        says err "^gemmlp: $newest: .*; going back to d/step-000000390.safetensors"
        same_model "the newest being $damage, the one before" damaged.safetensors
        tail -n +$(($(grep -n '"event":"run"' damaged.jsonl | tail -n 2 | head -n 1 | cut -d : -f 1))) damaged.jsonl \
            >last.jsonl
        log_is_one_run last.jsonl $epochs
        verdict "its log, the newest being $damage" "$(cut -c 1-60 last.jsonl)"
    done
    for file in d/*; do : >"$file"; done
    refuses "all are damaged" 3 'd: none of its 3 checkpoints is sound; the newest: d/step-' train --resume d
    refuses "and no new run beside them" 2 'd holds checkpoints of a run already' $job --checkpoint d
}

# ---- signals -----------------------------------------------------------------------------------

test_signals() {
    background $slow
    kill -TERM $pid
    ends "SIGTERM without a checkpoint" 143
    background $slow --model slow.safetensors --checkpoint s
    kill -TERM $pid
    sleep 0.01
    kill -TERM $pid # timeout(1) does that: the process, then its group
    ends "the same signal twice at once is one" 75
    no_leftovers "it" s
    background $slow --checkpoint j --json --log j.jsonl
    kill -USR1 $pid
    ends "SIGUSR1 with --json" 75
    json_with status signal steps
    [ "$(value status) $(value signal)" = "stopped SIGUSR1" ]
    verdict "--json of a run that was stopped" "$(value status) $(value signal)"
    tail -n 1 j.jsonl | grep -q '^{"event":"end","status":"stopped","signal":"SIGUSR1"'
    verdict "the log of a run that was stopped" "$(tail -n 1 j.jsonl | cut -c 1-60)"
    big="train --data few --hidden 2000,2000 --batch 1000 --threads 1 --provider reference"
    background $big --checkpoint b
    sleep 3 # into the first step, which takes many seconds: before it the first signal would do
    kill -TERM $pid
    sleep 0.3
    kill -TERM $pid
    ends "a second SIGTERM" 143
    ! ls b | grep -q 'step-.*[1-9]' # of step 0 where the first signal came before any step
    verdict "it does not wait for the step" "$(ls b)"
    background $slow --checkpoint h1
    kill -HUP $pid
    ends "SIGHUP" 75
    nohup "$gemmlp" $slow --checkpoint h2 >out 2>err </dev/null &
    pid=$!
    waited=0
    while ! grep -q 'parameters' err && [ $((waited += 1)) -lt 200 ]; do sleep 0.05; done
    sleep 0.2
    kill -HUP $pid
    sleep 0.5
    kill -0 $pid
    verdict "SIGHUP under nohup" "the run has ended"
    kill -INT $pid
    ends "SIGINT of a background job with checkpoints" 75
    if command -v timeout >/dev/null; then
        timeout --preserve-status 2 "$gemmlp" $slow --checkpoint t >out 2>err </dev/null
        code=$?
        [ $code -eq 75 ]
        verdict "timeout(1)" "exit code $code instead of 75"
    fi
    (ulimit -S -t 1 && exec "$gemmlp" $slow --checkpoint x >out 2>err </dev/null)
    code=$?
    [ $code -eq 75 ] && grep -q 'stopped by SIGXCPU' err
    verdict "the soft limit of CPU time" "exit code $code: $(tail -n 1 err)"
    background $slow --checkpoint l
    refuses "two runs in one directory" 1 'l: another run writes its checkpoints there' $slow --checkpoint l --resume l
    kill -KILL $pid
    wait $pid 2>/dev/null
}

# ---- what is remembered ------------------------------------------------------------------------

test_remembered() {
    printf '%s\n' 'hidden = 24' 'checkpoint-every = 5' 'model = remembered.safetensors' >remembered.ini
    run "with a config file" 0 train --data few --config remembered.ini --epochs 2 --threads 1 --checkpoint r
    first=$(digest remembered.safetensors)
    rm remembered.safetensors remembered.ini
    rm "r/$(ls r | tail -n 1)"
    run "resumed without it" 0 train --resume r
    [ "$(digest remembered.safetensors)" = "$first" ]
    verdict "options of a config file are remembered" "the model differs"

    # A log that was torn, and one that other runs share.
    run "a log to tear" 0 $job --epochs 2 --checkpoint g --checkpoint-every 40 --log g.jsonl
    rm "g/$(ls g | tail -n 1)"
    printf '{"event":"epoch","epoch":2,"st' >>g.jsonl
    run "a torn log, resumed" 0 train --resume g
    log_is_one_run g.jsonl 2
    verdict "a torn log is mended" "$(cut -c 1-60 g.jsonl)"
    rm "g/$(ls g | tail -n 1)"
    run "another run in the log" 0 $job --epochs 1 --log g.jsonl
    lines=$(wc -l <g.jsonl)
    run "a shared log, resumed" 0 train --resume g
    says err 'has lines of other runs'
    [ "$(wc -l <g.jsonl)" -gt "$lines" ] && is_json g.jsonl
    verdict "lines of other runs stay" "$(wc -l <g.jsonl) lines, there were $lines"
    printf 'my notes' >notes.jsonl
    run "a log behind other text" 0 $job --epochs 1 --log notes.jsonl
    [ "$(head -n 1 notes.jsonl)" = "my notes" ]
    verdict "other text stays" "$(head -n 1 notes.jsonl)"
    # A process that died while it wrote.
    : >c/.step-000000500.safetensors.999999999-0.tmp
    : >.part.safetensors.999999999-0.tmp
    run "after a process that died" 0 train --resume c --threads 1
    no_leftovers "it" c
    [ ! -e .part.safetensors.999999999-0.tmp ]
    verdict "nor where the model goes" "it is there"
}

test_usage
test_stop
test_more_epochs
test_damage
test_signals
test_remembered
test_mismatch

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
