#!/bin/sh
# kill_campaign.sh GEMMLP DATASETS [KILLS [TERMS [OPTIMIZERS [PRECISIONS [DROPOUTS]]]]]: runs that are ended
# at random moments by SIGKILL and SIGTERM and started again by the same command line, until they are
# finished; each model must have the bytes of an undisturbed run, each log must read as one run. The lists
# are comma-separated; their combinations take turns, in as many rounds as it takes to spend the signals. A
# precision that this machine has not is told and left out. Prints what each run met, then a line for each
# combination, "ok" or "FAILED"; the last one is
#
#   N kills, M terms, L lost, K mismatches
#
# lost: a run that could not be resumed where it was, or did not end as it should; the exit code is 1 if
# there are any, or any mismatches. SEED chooses the moments (default: the process id).

tests=$(cd "$(dirname "$0")" && pwd) || exit 2
# shellcheck source=tests/cli_checks.sh
. "$tests/cli_checks.sh"
# shellcheck source=tests/resume_checks.sh
. "$tests/resume_checks.sh"

kills=${3:-100}
terms=${4:-100}
optimizers=${5:-sgd,momentum,nesterov,rmsprop,adam,adamw}
precisions=${6:-f32}
dropouts=${7:-0,0.2}
seed=${SEED:-$$}
threads=${THREADS:-1}
epochs=12
some_mnist few 1200

# To 0 .. 999.
random() {
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    number=$((seed / 65536 % 1000))
}

killed=0 termed=0 lost=0 mismatches=0

lose() {
    lost=$((lost + 1))
    echo "lost: $1"
    head -n 3 err | cut -c 1-200 | sed 's/^/    stderr: /'
}

# newest: the step of the newest checkpoint in c; 0: none.
newest() {
    ls c 2>/dev/null | sed -n 's/^step-0*\([0-9]\{1,\}\)\.safetensors$/\1/p' | tail -n 1 | grep . || echo 0
}

# one_run COMMAND…: interrupted until it is finished; signals are taken from what is left of them.
one_run() {
    rm -rf c run.jsonl run.safetensors
    while :; do
        before=$(newest)
        "$gemmlp" "$@" --checkpoint c --resume c --checkpoint-every 13 --keep 2 --model run.safetensors \
            --log run.jsonl >out 2>err </dev/null &
        pid=$!
        signal=
        if [ "$killed" -lt "$kills" ] || [ "$termed" -lt "$terms" ]; then
            random
            if [ "$termed" -ge "$terms" ] || { [ "$killed" -lt "$kills" ] && [ $((number % 2)) -eq 0 ]; }; then
                signal=KILL
            else
                signal=TERM
            fi
            random
            sleep "$(printf '0.%03d' $((number * span / 1000)))"
            kill -$signal $pid 2>/dev/null || signal=
        fi
        wait $pid 2>/dev/null
        code=$?
        case $signal$code in
            KILL137) killed=$((killed + 1)) ;;
            TERM75) termed=$((termed + 1)) ;;
            TERM143) [ "$(newest)" -ge "$before" ] && early=$((early + 1)) ;; # before it had begun to train
            *0) break ;;
            *)
                lose "exit code $code after ${signal:-no signal}: $*"
                return
                ;;
        esac
        if [ "$before" -gt 0 ] && grep -q 'starts anew' err; then
            lose "a run with a checkpoint of step $before started anew: $*"
            return
        fi
        if [ "$(newest)" -lt "$before" ]; then
            lose "the newest checkpoint was of step $before, is of step $(newest): $*"
            return
        fi
    done
    if [ "$(digest run.safetensors)" != "$(digest whole.safetensors)" ]; then
        mismatches=$((mismatches + 1))
        echo "mismatch: another model: $*"
    fi
    if ! log_is_one_run run.jsonl $epochs; then
        mismatches=$((mismatches + 1))
        echo "mismatch: the log is not one run: $*"
        cut -c 1-70 run.jsonl
    fi
}

early=0
left_out=
round=0
while [ $round -eq 0 ] || [ "$killed" -lt "$kills" ] || [ "$termed" -lt "$terms" ]; do
    round=$((round + 1))
    runs=0
    for optimizer in $(echo "$optimizers" | tr , ' '); do
        for precision in $(echo "$precisions" | tr , ' '); do
            for dropout in $(echo "$dropouts" | tr , ' '); do
                [ $round -eq 1 ] || [ "$killed" -lt "$kills" ] || [ "$termed" -lt "$terms" ] || break 3
                set -- train --data few --hidden 48 --epochs $epochs --batch 16 --valid 0.2 --threads "$threads" \
                    --optimizer "$optimizer" --precision "$precision" --dropout "$dropout" --patience 20
                killed_before=$killed termed_before=$termed bad_before=$((lost + mismatches))
                start=$(date +%s%N)
                if ! "$gemmlp" "$@" --model whole.safetensors --quiet >out 2>err </dev/null; then
                    case $left_out in *" $precision "*) ;; *)
                        echo "left out: --precision $precision: $(head -n 1 err)"
                        left_out="$left_out $precision " ;;
                    esac
                    continue
                fi
                span=$((($(date +%s%N) - start) / 1000000 + 60)) # milliseconds: a run, and then some
                [ "$span" -lt 999 ] || span=999
                one_run "$@"
                runs=$((runs + 1))
                [ $((lost + mismatches)) -eq "$bad_before" ] && verdict=ok || verdict=FAILED
                killed_now=$((killed - killed_before)) termed_now=$((termed - termed_before))
                echo "round $round, $optimizer $precision dropout $dropout: $killed_now kills, $termed_now terms"
                echo "$verdict $killed_now $termed_now $optimizer $precision dropout $dropout" >>runs
            done
        done
    done
    if [ $runs -eq 0 ]; then
        echo "nothing could be run"
        exit 1
    fi
    [ "$lost" -eq 0 ] || break
done

# One verdict for each, however many rounds there were: the test suite counts them.
awk '{ name = $4 " " $5 " " $6 " " $7
       if (!(name in verdict)) { order[++n] = name; verdict[name] = "ok" }
       if ($1 != "ok") verdict[name] = $1
       kills[name] += $2; terms[name] += $3 }
     END { for (i = 1; i <= n; i++) {
               name = order[i]
               print verdict[name], name ": " kills[name] " kills, " terms[name] " terms" } }' runs
[ $early -eq 0 ] || echo "$early more terms came before training had begun"
echo "$killed kills, $termed terms, $lost lost, $mismatches mismatches"
[ "$lost" -eq 0 ] && [ "$mismatches" -eq 0 ]
