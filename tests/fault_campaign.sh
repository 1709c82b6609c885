#!/bin/bash
# fault_campaign.sh GEMMLP DATASETS FAILING_MALLOC.so [STEP [NAME]]: what the command does when memory or a
# file fails it, at every place where one can; NAME: only that one of the commands below. FAILING_MALLOC.so
# may be "": then memory does not fail.
#
#   memory   every STEP-th (1: every) allocation of our own code, jansson, zlib and inih fails, alone and with
#            all that follow (failing_malloc.h). Expected: exit code 1 and one message that speaks of memory,
#            or, where it got along without, the result that it always has. Plain builds only.
#   files    every system call on a file that is read or written fails with EIO or ENOSPC (strace's fault
#            injection). Expected: one message that names the file; exit code 1, or 3 for what is read.
#
# Each time: no crash, a file that is to be replaced is as it was or as it should be, nothing is left beside it; a
# directory of checkpoints can be resumed from, and that gives the model of the undisturbed run.
# Prints a line for each command and kind of fault; a failed one lists the first cases that went wrong.

failing=${3:-}
step=${4:-1}
only=${5:-}
# shellcheck source=tests/cli_checks.sh
. "$(dirname "$0")/cli_checks.sh"
case $failing in '' | /*) ;; *) failing=$OLDPWD/$failing ;; esac

# ---- what is run -------------------------------------------------------------------------------

pair data 30 2 3
gzip -k data/train-*
mkdir packed out reference
mv data/*.gz packed
train="--hidden 8 --batch 10 --epochs 2 --threads 1 --seed 3 --quiet"
# shellcheck disable=SC2086
"$gemmlp" train --data data $train --plan plan.json --log run.jsonl --model m.safetensors >/dev/null 2>err ||
    { cat err; exit 1; }
cp plan.json plan.json.kept
checkpointed="$train --provider native --checkpoint-every 2"
cat >c.ini <<'END'
[network]
hidden = 7,5
activation = tanh
[run]
epochs = 1
END

# NAME ARGUMENTS: results go to the directory out. `native` calls no library whose failures are not ours.
commands=$(
    cat <<END
train train --data data $train --provider native --model out/m.safetensors --log out/run.jsonl --json
train-gzip train --data packed $train --provider native --valid 0.2 --patience 1 --model out/m.safetensors
train-config train --data data --config c.ini --threads 1 --quiet --provider native --model out/m.safetensors
train-plan train --data data $train --plan plan.json --model out/m.safetensors
checkpoint train --data data $checkpointed --checkpoint out/new --model out/m.safetensors --log out/run.jsonl
resume train --resume out/c --quiet --json
eval eval m.safetensors --data data --confusion --json --threads 1 --provider native --quiet
predict predict m.safetensors --data data --proba --output out/p.csv --threads 1 --provider native --quiet
info info m.safetensors
explain explain m.safetensors --data data --example 1
gradcheck gradcheck --hidden 3 --inputs 4 --outputs 2 --json
END
)

# Less what differs from run to run: times, speeds, memory; what is a courtesy, the name of the CPU; and of a
# log the end and the checkpoints, which tell of failures.
plain() {
    sed -E '/^\{"event":"(end|checkpoint)"/d
            s/,"cpu":"[^"]*"//
            s/"(train_seconds|wall_seconds|seconds|examples_per_second|gflops|peak_rss_bytes|date)": ?("[^"]*"|[0-9.e+-]*)/"\1"/g
            s/[0-9.]+ (s|examples|GFLOP)[^a-z]*/ /g' "$@"
}

# prepare: the files that a run finds: those of an earlier run.
prepare() {
    rm -rf out
    cp -R before out
    cp plan.json.kept plan.json # a run may have found a better answer
}

mkdir before
for file in m.safetensors run.jsonl p.csv; do
    echo "of an earlier run" >"before/$file"
done

# A run that was killed: its last checkpoint but one, and a log that has gone on since.
prepare
# shellcheck disable=SC2086
"$gemmlp" train --data data $checkpointed --checkpoint out/c --model out/m.safetensors --log out/killed.jsonl \
    2>err >/dev/null || { cat err; exit 1; }
rm "$(find out/c -name 'step-*' | sort | tail -n 1)"
printf '{"event":"epo' >>out/killed.jsonl
mv out/c out/killed.jsonl before

# ---- verdicts ----------------------------------------------------------------------------------

wrong=0
complain() { # complain CASE REASON
    wrong=$((wrong + 1))
    if [ "$wrong" -le 5 ]; then
        echo "    $1: $2: $(head -c 160 err | tr '\n' ' ')"
    fi
}

# Whether the checkpoints in a directory, if there are any, lead to where the undisturbed run has led.
can_be_resumed() { # can_be_resumed DIRECTORY
    [ -n "$(ls -A "$1")" ] || return 0
    [ -z "$(find "$1" -name '.*.tmp')" ] || return 1
    rm -rf again
    cp -R "$1" again
    "$gemmlp" train --resume again --quiet --model again/m.safetensors --log again/run.jsonl >/dev/null 2>again/err &&
        cmp -s again/m.safetensors reference/m.safetensors
}

# Each output is as before, or as in an undisturbed run; the log may have lost lines at its end.
outputs_are_whole() {
    local file name
    ! diff -rq out before >/dev/null || return 0
    for file in before/*; do
        [ -e "out/${file#before/}" ] || return 1
    done
    for file in out/* out/.[!.]*; do
        name=${file#out/}
        case $name in
            '*' | '.[!.]*') ;;
            *.jsonl)
                cmp -s "$file" "before/$name" && continue
                plain "$file" >now.jsonl
                plain "reference/$name" | head -c "$(wc -c <now.jsonl)" | cmp -s - now.jsonl || return 1
                ;;
            c | new)
                diff -rq "$file" "before/$name" >/dev/null 2>&1 || can_be_resumed "$file" || return 1
                ;;
            *)
                cmp -s "$file" "before/$name" || cmp -s "$file" "reference/$name" || return 1
                ;;
        esac
    done
}

# reference ARGUMENTS: the undisturbed run.
reference() {
    prepare
    "$gemmlp" "$@" >out.txt 2>err </dev/null || return 1
    plain out.txt >reference.txt
    rm -rf reference
    cp -R out reference
}

# only_messages FIRST LAST: one message for one failure; what goes on after the log has failed says so.
only_messages() {
    local line messages=0
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
            'gemmlp: '*'the log ends here, the run goes on'* | "see '"*) ;;
            'gemmlp: '*) messages=$((messages + 1)) ;;
            *) return 1 ;;
        esac
    done <err
    [ "$1" -ne "$2" ] || [ $messages -eq 1 ]
}

same_as_reference() {
    plain out.txt | cmp -s - reference.txt && outputs_are_whole
}

# ---- memory ------------------------------------------------------------------------------------

# memory_case CASE FIRST LAST ARGUMENTS…; false once nothing failed any more.
memory_case() {
    local case=$1 first=$2 last=$3 code result
    shift 3
    prepare
    : >report
    FAIL_FIRST=$first FAIL_LAST=$last FAIL_REPORT=report LD_PRELOAD=$failing "$gemmlp" "$@" >out.txt 2>err </dev/null
    code=$?
    read -r result <report
    [ "$result" = failed ] || return 1
    if [ $code -eq 0 ]; then
        same_as_reference || complain "$case" "exit code 0, but another result"
    elif [ $code -ne 1 ]; then
        complain "$case" "exit code $code"
    elif ! only_messages "$first" "$last" || ! grep -Eqi 'memory' err; then
        complain "$case" "no message that speaks of memory, or more than that"
    elif ! outputs_are_whole; then
        complain "$case" "files are damaged or left over: $(ls -A out)"
    fi
}

memory_of() { # memory_of NAME ARGUMENTS…
    local name=$1 k=1 runs=0
    shift
    wrong=0
    while memory_case "allocation $k" "$k" "$k" "$@"; do
        memory_case "allocations from $k on" "$k" 1000000000 "$@"
        runs=$((runs + 2))
        k=$((k + step))
    done
    [ "$wrong" -eq 0 ] && [ "$runs" -ge 4 ]
    verdict "$name, $runs runs with failing memory" "$wrong of them went wrong"
}

# ---- files -------------------------------------------------------------------------------------

calls=openat,open,read,pread64,write,pwrite64,fsync,rename,close

# touched ARGUMENTS…: the calls on files of this directory, as "CALL NUMBER FILE": the NUMBER-th CALL of the
# process, by the name that the file has, or will have when it is a temporary one.
touched() {
    prepare
    strace -f -y --seccomp-bpf -qq -e signal=none -e trace=$calls -o trace "$gemmlp" "$@" >/dev/null 2>&1 </dev/null
    sed -E 's/^[0-9]+ +//' trace | awk -v here="$PWD/" '
        { call = $0; sub(/\(.*/, "", call); number[call]++
          path = $0
          if (call ~ /^(open|rename)/) { sub(/^[^"]*"/, "", path); sub(/".*/, "", path) }
          else { sub(/^[^<]*</, "", path); sub(/>.*/, "", path) }
          if (index(path, here) == 1) path = substr(path, length(here) + 1)
          sub(/\/$/, "", path)
          if (path ~ /^\// || $0 ~ / = -1 /) next
          file = path
          sub(/.*\//, "", file); sub(/^\./, "", file); sub(/\.[0-9]+-[0-9]+\.tmp$/, "", file)
          print call, number[call], (path ~ /^out/ ? "out" : "in"), file }'
}

# What need not end a run: closing what was only read, or a directory; looking through a directory for what may go,
# and making it last; a checkpoint that was not saved, which is told, for the next one will be; the read by which
# the C library fills its buffer when it is told to seek, for it reads again.
is_endured() { # is_endured CALL FILE
    case "$1 $2" in
        "close "* | "openat out" | "fsync out" | "openat new" | "openat c" | "read killed.jsonl") true ;;
        *" step-"*) [ ! -s err ] || { only_messages 1 1 && grep -Fq "$2" err; } ;;
        "fsync new" | "fsync c") grep -q 'could not flush the directory' err ;;
        *) false ;;
    esac
}

# Among the outputs, checkpoints are also read: then a failure is one of the input.
is_read_again() { # is_read_again FILE CODE
    case $1 in step-* | new | c) [ "$2" -eq 3 ] ;; *) false ;; esac
}

# file_case CALL NUMBER out|in FILE ERROR ARGUMENTS…
file_case() {
    local case="$1 number $2 ($3/$4): $5" call=$1 number=$2 place=$3 file=$4 error=$5 code try
    shift 5
    # Now and then a library opens a file more or less than when the calls were counted.
    for try in 1 2 3 4 5; do
        prepare
        strace -f -y --seccomp-bpf -qq -e signal=none -e trace="$call" -e inject="$call:error=$error:when=$number" \
            -o trace "$gemmlp" "$@" >out.txt 2>err </dev/null
        code=$?
        ! grep INJECTED trace | grep -Fq "$file" || break
        [ "$try" -lt 5 ] || complain "$case" "what failed was $(grep INJECTED trace | cut -c 1-80)"
    done
    if [ $code -eq 0 ]; then
        is_endured "$call" "$file" || complain "$case" "exit code 0"
        same_as_reference || complain "$case" "exit code 0, but another result"
    elif [ $code -gt 3 ] || { [ "$place" = out ] && [ $code -ne 1 ] && ! is_read_again "$file" $code; }; then
        complain "$case" "exit code $code"
    elif ! only_messages 1 1 || ! grep -Fq "$file" err; then
        complain "$case" "no message that names the file, or more than that"
    elif ! outputs_are_whole; then
        complain "$case" "files are damaged or left over: $(ls -A out)"
    fi
}

files_of() { # files_of NAME ARGUMENTS…
    local name=$1 runs=0 call number place file error try
    shift
    wrong=0
    touched "$@" >calls
    for try in 1 2 3 4 5; do # until two runs agree
        touched "$@" >counted
        ! cmp -s calls counted || break
        mv counted calls
    done
    while read -r call number place file; do
        for error in EIO ENOSPC; do
            [ "$place" = out ] || [ $error = EIO ] || continue
            file_case "$call" "$number" "$place" "$file" $error "$@"
            runs=$((runs + 1))
        done
    done <calls
    [ "$wrong" -eq 0 ] && [ "$runs" -gt 2 ]
    verdict "$name, $runs runs with failing files" "$wrong of them went wrong"
}

# A directory that may not be looked into is not one without data.
unreadable_directory() {
    strace -f -qq -e signal=none -e trace=?access,?faccessat,?faccessat2 -o trace \
        -e inject=?access,?faccessat,?faccessat2:error=EACCES "$gemmlp" train --data data >out.txt 2>err </dev/null
    code=$?
    [ $code -eq 3 ] && [ "$(grep -c '^gemmlp: ' err)" -eq 1 ] &&
        grep -q '^gemmlp: data: could not look for its training set: Permission denied' err
    verdict "an unreadable directory" "exit code $code" # bash: $(…) here would be the status that counts
}

# ------------------------------------------------------------------------------------------------

# LeakSanitizer does not work in a traced process.
export ASAN_OPTIONS="detect_leaks=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
strace -qq -e trace=write -e inject=write:error=EIO -o trace true 2>/dev/null && traced=yes || traced=
[ -n "$traced" ] || echo "skipped: failing files (needs strace, and that it may trace)"
[ -n "$failing" ] || echo "skipped: failing memory (this build has an allocator of its own)"
[ -z "$traced" ] || [ -n "$only" ] || unreadable_directory
while read -r name line; do
    [ -z "$only" ] || [ "$only" = "$name" ] || continue
    # shellcheck disable=SC2086 # words
    if ! reference $line; then
        bad "$name" "fails undisturbed"
        continue
    fi
    # shellcheck disable=SC2086
    [ -z "$failing" ] || memory_of "$name" $line
    # shellcheck disable=SC2086
    [ -z "$traced" ] || [ "$name" = gradcheck ] || files_of "$name" $line
done <<END
$commands
END
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
