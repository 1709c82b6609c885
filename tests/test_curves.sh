#!/bin/sh
# test_curves.sh GEMMLP DATASETS: gemmlp plot: pictures of good logs, what is said of odd and of bad ones.
# Prints one line a check; the last line counts them; the exit code is 1 when one failed.

# shellcheck source=tests/cli_checks.sh
. "$(dirname "$0")/cli_checks.sh"

pair data 60 2 3
small="--data data --hidden 8 --batch 10 --threads 1 --provider native --quiet"

# log FILE LINE…: a log of these lines.
log() {
    file=$1
    shift
    printf '%s\n' "$@" >"$file"
}

start='{"event":"run","network":{"n_in":6,"layers":[{"n_out":8},{"n_out":3}]},"training":{"optimizer":"adam","lr":0.01,"batch":10},"seed":1}'
# epoch NUMBER LOSS
epoch() {
    echo "{\"event\":\"epoch\",\"epoch\":$1,\"lr\":0.01,\"train_loss\":$2,\"train_accuracy\":0.5,\"examples_per_second\":1000}"
}

# is_picture FILE: of the right kind and not empty, and gnuplot draws it again.
is_picture() {
    case $1 in
        *.svg) head -n 1 "$1" | grep -q '<?xml' && grep -q '</svg>' "$1" ;;
        *) [ "$(head -c 4 "$1" | tail -c 3)" = PNG ] ;;
    esac
    verdict "$name, $1 is a picture" "$(head -c 80 "$1" 2>&1)"
    before=$(cksum <"$1")
    gnuplot -d "${1%.*}.gp" 2>gnuplot.err && [ "$(cksum <"$1")" = "$before" ]
    verdict "$name, its script draws it again" "another picture"
}

test_pictures() {
    # shellcheck disable=SC2086
    "$gemmlp" train $small --epochs 3 --valid 0.3 --log a.jsonl >/dev/null
    # shellcheck disable=SC2086
    "$gemmlp" train $small --epochs 5 --seed 2 --log b.jsonl >/dev/null
    run "plot of one run" 0 plot a.jsonl --output one.svg
    is_picture one.svg
    silent err
    silent out
    [ "$(grep -c '>Loss<\|>Accuracy, %<\|>Learning rate, \|>Speed, ' one.svg)" -eq 4 ]
    verdict "it has four panels" "$(grep -o '>[A-Z][a-z ,%]*<' one.svg | tr '\n' ' ')"
    grep -q 'a.jsonl:.*6-8-3, adam, lr 0.005, batch 10, seed 0;.*3 epochs, lowest validation loss after' one.svg
    verdict "it says what ran" "$(grep -o 'a.jsonl[^<]*' one.svg)"
    grep -q 'dashed: validation' one.svg
    verdict "it tells training from validation" "no key"
    run "plot of two runs" 0 plot a.jsonl b.jsonl --output two.png --json
    is_picture two.png
    json_with output runs path epochs resumed
    grep -q '^# run 1' two.dat && [ "$(grep -c '^[0-9]' two.dat)" -eq 8 ]
    verdict "the data of both runs lie beside it" "$(cat two.dat)"
    mkdir -p deep
    cp a.jsonl deep
    run "plot of two logs with one name" 0 plot a.jsonl deep/a.jsonl --output deep/p.svg
    grep -q '>deep/a.jsonl: ' deep/p.svg
    verdict "their paths are told" "$(grep -o '>[^<]*jsonl[^<]*' deep/p.svg)"
    log "it's \"odd\" & <b>.jsonl" "$start" "$(epoch 1 0.5)"
    run "plot of one epoch, with an odd name" 0 plot "it's \"odd\" & <b>.jsonl" --output odd.svg
    is_picture odd.svg
    log regress.jsonl '{"event":"run"}' '{"event":"epoch","epoch":1,"train_loss":100,"train_rmse":10}' \
        '{"event":"epoch","epoch":2,"train_loss":0.01,"train_rmse":0.1}'
    run "plot of a regression" 0 plot regress.jsonl --output regress.png
    is_picture regress.png
    grep -q 'Root of the mean squared error' regress.gp && grep -q 'not in the log' regress.gp &&
        grep -q 'set logscale y' regress.gp
    verdict "rmse instead of accuracy, an axis of tens, and nothing of what is missing" "no"
    {
        echo "$start"
        awk 'BEGIN { for (i = 1; i <= 5000; i++) printf "{\"event\":\"epoch\",\"epoch\":%d,\"train_loss\":%g}\n", i, 1 / i }'
    } >long.jsonl
    run "plot of 5000 epochs" 0 plot long.jsonl --output long.svg
    is_picture long.svg
    [ "$(grep -c '^[0-9]' long.dat)" -le 2001 ] && grep -q '^5000 ' long.dat
    verdict "no more points than the picture has room for, and the last one" "$(grep -c '^[0-9]' long.dat)"
    many=
    i=1
    while [ $i -le 36 ]; do
        log "m$i.jsonl" "$start" "$(epoch 1 0.$i)" "$(epoch 2 0.1)"
        many="$many m$i.jsonl"
        i=$((i + 1))
    done
    # shellcheck disable=SC2086
    run "plot of 36 runs" 0 plot $many --output many.svg
    is_picture many.svg
    # shellcheck disable=SC2086
    refuses "plot of 37 runs" 2 '37 runs are more than the 36' plot $many a.jsonl --output many.svg
}

test_odd_logs() {
    log resumed.jsonl "$start" "$(epoch 1 0.9)" "$(epoch 2 0.8)" "$(epoch 3 0.7)" '{"event":"checkpoint"}' "$start" \
        "$(epoch 3 0.6)" "$(epoch 4 0.5)" '{"event":"end"}' '{"event":"of a later version"}'
    run "plot of a resumed run" 0 plot resumed.jsonl --output resumed.svg
    silent err
    grep -q '4 epochs, resumed 1 time<' resumed.svg
    verdict "it is one run that was resumed" "$(grep -o 'resumed.jsonl[^<]*' resumed.svg)"
    [ "$(grep '^[0-9]' resumed.dat | cut -d ' ' -f 1,3 | tr '\n' ' ')" = "1 0.9 2 0.8 3 0.6 4 0.5 " ]
    verdict "an epoch that it went over again counts once" "$(cat resumed.dat)"
    printf '%s' '{"event":"epoch","epoch":5,"lr":0.0' >>resumed.jsonl
    run "plot of a run that was killed" 0 plot resumed.jsonl --output resumed.svg
    says err '^gemmlp: resumed.jsonl:11: the last line is torn, as by a kill, and left out$'
    grep -q '4 epochs, resumed 1 time<' resumed.svg
    verdict "the torn line is left out" "$(grep -o 'resumed.jsonl[^<]*' resumed.svg)"
}

test_bad_logs() {
    log good.jsonl "$start" "$(epoch 1 0.5)"
    rm -f bad.svg
    while IFS='|' read -r title what lines; do
        printf "$lines" >bad.jsonl
        refuses "plot of $title" 3 "^gemmlp: bad.jsonl$what" plot good.jsonl bad.jsonl --output bad.svg
    done <<END
an empty log|: there is no finished epoch|
a run without an epoch|: there is no finished epoch|{"event":"run"}\n
a text|:1: expected one event as a JSON object: column|hello\n
a text in the middle|:2: expected one event as a JSON object: column |{"event":"run"}\nepoch 1\n{"event":"end"}\n
an array|:1: no log of a run: expected an object with "event"|[]\n
an object without event|:1: no log of a run: expected an object with "event"|{"a":1}\n
an epoch before the run|:1: expected the event "run" first, found "epoch"|{"event":"epoch","epoch":1}\n
an event with control characters|:1: expected the event "run" first, found ".x1B\[2J"|{"event":"\\\\u001b[2J"}\n
epoch 0|:2: "epoch": expected a whole number from 1 to|{"event":"run"}\n{"event":"epoch","epoch":0}\n
epoch 1e9|:2: "epoch": expected a whole number from 1 to|{"event":"run"}\n{"event":"epoch","epoch":1000000001}\n
an epoch without number|:2: "epoch": expected a whole number|{"event":"run"}\n{"event":"epoch"}\n
a loss that is a text|:2: "train_loss": expected a number|{"event":"run"}\n{"event":"epoch","epoch":1,"train_loss":"low"}\n
deep nesting|:1: no log of a run: the line nests deeper than 8|[[[[[[[[[[[[\n
a key that comes twice|:1: expected one event as a JSON object: column .*duplicate|{"event":"run","event":"run"}\n
a zero byte|:1: expected one event|{"event":"run"\\\\0}\n
END
    [ ! -e bad.svg ]
    verdict "no picture of bad logs" "there is one"
    { echo "$start"; head -c 1048577 /dev/zero | tr '\0' ' '; } >bad.jsonl
    refuses "plot of a long line" 3 'bad.jsonl:2: no log of a run: the line is longer than the 1048576' \
        plot bad.jsonl --output bad.svg
    refuses "plot of nothing" 3 'none.jsonl: could not open: No such file' plot none.jsonl --output bad.svg
    refuses "plot of a directory" 3 'data: is not a regular file' plot data --output bad.svg
    mkfifo pipe
    refuses "plot of a pipe" 3 'pipe: is not a regular file' plot pipe --output bad.svg
}

test_usage() {
    run "plot --help" 0 plot --help
    says out '^  gemmlp plot run.jsonl --output run.svg$'
    refuses "plot of no log" 2 'RUN.jsonl is missing' plot --output x.svg
    refuses "plot without output" 2 '[-][-]output is missing' plot good.jsonl
    refuses "plot to a name without extension" 2 'expected a picture.s name that ends in .svg or .png' \
        plot good.jsonl --output x.pdf
    cp good.jsonl x.svg
    refuses "plot over its log" 2 '[-][-]output x.svg and RUN.jsonl x.svg are the same file' \
        plot x.svg --output x.svg
    echo mine >y.dat
    refuses "plot over a file that is not ours" 2 'would be replaced, and is not of an earlier picture' \
        plot good.jsonl --output y.svg
    refuses "plot into a directory that is missing" 1 'no/such/x.gp|no/such/x.dat' \
        plot good.jsonl --output no/such/x.svg
    PATH=/nonexistent "$gemmlp" plot good.jsonl --output z.svg >out 2>err </dev/null
    code=$?
    name="plot without gnuplot"
    [ $code -eq 1 ] && [ "$(wc -l <err)" -eq 1 ]
    verdict "$name, one message and code 1" "exit code $code"
    says err 'was not drawn: there is no program gnuplot .*gnuplot-nox'
}

test_pictures
test_odd_logs
test_bad_logs
test_usage
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
