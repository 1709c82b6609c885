#!/bin/sh
# test_cli.sh GEMMLP DATASETS: the command line as its users and their scripts meet it: results on stdout,
# messages on stderr, exit codes, and what happens when files, disks and numbers are bad. Prints one line
# a check; the last line counts them; the exit code is 1 when one failed.

# shellcheck source=tests/cli_checks.sh
. "$(dirname "$0")/cli_checks.sh"

# ---- small data --------------------------------------------------------------------------------

pair data 60 2 3
pair wide 12 3 3
pair wider 30 2 3
mkdir solo
images solo/train-images-idx3-ubyte 30 2 3
labels solo/train-labels-idx1-ubyte 30
small="--data data --hidden 8 --batch 10 --threads 1"

# ---- help and version --------------------------------------------------------------------------

test_help() {
    run "help" 0 --help
    says out '^  gemmlp train --data'
    silent err
    for command in train eval predict info gradcheck explain; do
        says out "^  $command "
    done
    run "version" 0 --version
    says out '^gemmlp [0-9]+\.[0-9]+\.[0-9]+$'
    says out '^compiler +(gcc|clang|Clang|Ubuntu|Debian)'
    says out '^BLAS +OpenBLAS [0-9.]+ \([A-Za-z0-9]+\), /'
    says out '^providers .*reference'

    for command in train eval predict info gradcheck explain; do
        run "$command --help" 0 "$command" --help
        [ "$(head -n 1 out | cut -c 1-$((10 + ${#command})))" = "  gemmlp $command " ]
        verdict "$command --help opens with an example" "$(head -n 1 out)"
        silent err
        says out '^ +--json '
    done
    "$gemmlp" train --help >train.help
    run "help train" 0 help train
    cmp -s out train.help
    verdict "help train is train --help" "$(head -n 1 out)"
    "$gemmlp" --help >gemmlp.help
    run "help alone" 0 help
    cmp -s out gemmlp.help
    verdict "help alone is --help" "$(head -n 1 out)"
    refuses "help for an unknown command" 2 "unknown command 'trian'; did you mean 'train'" help trian
    refuses "help for two commands" 2 "found 'eval' too" help train eval
    run "train --help" 0 train --help
    tr -s ' \n' ' ' <out >words
    grep -q 'to classify only, and 0 unless given where the loss is not cross_entropy (default 0.1)' words
    verdict "help says when labels are smoothed by default" "$(grep -o 'train classes.\{200\}' words)"
    grep -q "a directory's test pair if it has one, or a fraction" words
    verdict "help says what --valid takes of a directory" "it does not"
    for word in classify regress multilabel idx standardize_all relu softmax cross_entropy half_quadratic glorot adam nesterov \
        one_cycle constant reference; do
        says out "^  $word "
    done
    run "gradcheck --help" 0 gradcheck --help
    says out '^  tanh '
    says out '^  mse '
    run "info --help" 0 info --help
    says out '^  momentum '
    for command in eval predict; do
        run "$command --help" 0 "$command" --help
        says out '^  reference '
        says out '^  idx '
    done
    run "explain --help" 0 explain --help
    says out '^  idx '
}

# ---- wrong usage -------------------------------------------------------------------------------

test_usage() {
    run "no command" 2
    says err 'usage: gemmlp COMMAND'
    silent out
    refuses "unknown command" 2 "unknown command 'trian'; did you mean 'train'\? valid: train, eval" trian
    says err "see 'gemmlp --help'"
    refuses "unknown option" 2 "'--epoch'; did you mean '--epochs'\? valid: --data, " \
        train --data data --epoch 3
    says err "see 'gemmlp train --help'"
    refuses "abbreviated option" 2 "'--opt'; did you mean '--optimizer'" train --data data --opt sgd
    refuses "unknown letter" 2 "unknown option '-x'" train --data data -x
    refuses "missing value" 2 '--batch: expected N, found nothing' train --data data --batch
    refuses "option for a value" 2 "--model: expected FILE.safetensors, found the option '--data'" \
        train --model --data data
    refuses "empty value" 2 '--data: expected PATH, found nothing' train --data ''
    refuses "extra argument" 2 "unexpected argument 'more'" train --data data more
    refuses "flag with a wrong value" 2 "--json: expected yes or no, found 'maybe'" \
        train --data data --json=maybe
    refuses "no data" 2 '--data is missing' train
    refuses "no model" 2 'MODEL is missing' eval --data data
    refuses "info of nothing" 2 'expected one of MODEL' info
    refuses "info of two things" 2 'expected one of MODEL' info --machine --data data
    refuses "info of half a network" 2 '--outputs is missing' info --inputs 4

    for number in 0 -1 +1 1.5 1e3 ' 1' 0x10 '' ten 99999999999999999999999; do
        refuses "--batch '$number'" 2 '--batch: expected a whole number from 1 to [0-9]+, found' \
            train --data data "--batch=$number"
    done
    for number in nan inf -inf 0 -1 1e999 0x1p3 1,5 '' '1 ' 1e; do
        refuses "--lr '$number'" 2 '--lr: expected a number above 0, found' \
            train --data data "--lr=$number"
    done
    refuses "--dropout 1" 2 '--dropout: expected a number from 0 to less than 1' \
        train --data data --dropout 0.1,1
    refuses "--hidden 4,,4" 2 "--hidden: expected a whole number .*value 2 of" \
        train --data data --hidden 4,,4
    for pair in activation:rleu:relu output-activation:softmx:softmax loss:cross-entropy:cross_entropy \
        init:hee:he optimizer:adm:adam schedule:onecycle:one_cycle preprocess:standardise:standardize \
        provider:referense:reference format:idxx:idx; do
        option=${pair%%:*}
        rest=${pair#*:}
        refuses "--$option ${rest%%:*}" 2 \
            "--$option: unknown [a-z]+ '${rest%%:*}'; did you mean '${rest#*:}'\? valid: " \
            train --data data "--$option" "${rest%%:*}"
    done
    refuses "--task" 2 "--task: unknown task 'classif'; did you mean 'classify'\? valid: classify, regress, " \
        train --data data --task classif
    refuses "too many activations" 2 '--activation: 3 values for 2 hidden layers' \
        train --data data --hidden 4,4 --activation relu,tanh,relu
    refuses "an unknown precision" 2 "--precision: unknown precision 'bf15'; did you mean 'bf16'\? valid: f32, bf16" \
        train --data data --precision bf15
    refuses "bf16 in gradcheck" 2 'precision' gradcheck --hidden 3 --precision bf16
    refuses "patience alone" 2 '--patience: needs --valid' train --data data --patience 3
    refuses "--valid 1.5" 2 'a fraction between 0 and 1' train --data data --valid 1.5
    refuses "--valid 10%" 2 "found '10%'; a tenth is written 0\.1" train --data data --valid 10%
    for option in dropout=0.1 activation=relu; do
        refuses "--hidden none --$option" 2 "--${option%=*}: there is no hidden layer" \
            train --data data --hidden none --$option
    done
    run "--hidden none --init" 0 train --data data --hidden none --init zeros --epochs 1 --threads 1
    refuses "--label-smoothing to regress" 2 '--label-smoothing: the task is regress' \
        train $small --task regress --label-smoothing 0.1
    run "--label-smoothing 0 to regress" 0 train $small --task regress --label-smoothing 0 --epochs 1
    refuses "--label-smoothing of multilabel, gradcheck" 2 '--label-smoothing: the task is multilabel' \
        gradcheck --task multilabel --label-smoothing 0.1
    refuses "--model -" 2 "--model: expected a file, found '-'" train $small --model -
    refuses "--model /dev/stdout" 2 "--model: expected a file, found '/dev/stdout'" \
        train $small --model /dev/stdout
    refuses "--log -" 2 "--log: expected a file, found '-'" train $small --log -
    refuses "--class-weights x:1" 2 "'x' is none of the 3 classes" \
        train --data data --class-weights x:1
    refuses "--class-weights 1" 2 "expected CLASS:WEIGHT, found '1'" \
        train --data data --class-weights 1
    refuses "--class-weights 0:-1" 2 'expected CLASS:WEIGHT' train --data data --class-weights 0:-1
}

# ---- what works --------------------------------------------------------------------------------

test_train() {
    run "train" 0 train $small --epochs 30 --model small.safetensors --log run.jsonl
    says out '^test accuracy +[0-9.]+ %$'
    says out '^training .*examples/s.*GFLOP/s$'
    says out '^model +small.safetensors$'
    says err '^1 thread \(--threads\); .*; 6-8-3, 83 parameters, 60 examples$'
    says err '^epoch 30/30  loss [0-9.]+  accuracy'
    ! grep -Eq 'MAX_THREADS|DYNAMIC_ARCH' err
    verdict "the start names the library shortly" "$(head -n 1 err)"
    ! grep -Eq '[^a-z]-?nan|0\.00 s left' err out
    verdict "no nan and no time that is over" "$(grep -E 'nan|0.00 s left' err | head -n 1)"
    [ -s small.safetensors ]
    verdict "train saves the model" "no file"
    [ "$(grep -c '^epoch .*/30  loss' err)" -eq 30 ]
    verdict "train prints a line an epoch" "$(grep -c '^epoch' err) lines"

    is_json run.jsonl
    verdict "the log is JSON, line by line" "it is not"
    [ "$(wc -l <run.jsonl)" -eq 32 ]
    verdict "the log has a line for run, each epoch and end" "$(wc -l <run.jsonl) lines"
    head -n 1 run.jsonl | grep '"event":"run"' | grep '"command":\["gemmlp","train"' |
        grep '"version":' | grep '"provider_version":' | grep '"seed":0' | grep -q '"optimizer":"adam"'
    verdict "the log's first line repeats the run" "$(head -n 1 run.jsonl)"
    sed -n 2p run.jsonl | grep '"event":"epoch","epoch":1,"step":6,"lr":' |
        grep '"train_loss":' | grep '"train_accuracy":' | grep '"gflops":' | grep -q '"seconds":'
    verdict "the log has epochs" "$(sed -n 2p run.jsonl)"
    tail -n 1 run.jsonl | grep '"event":"end","status":"finished"' | grep -q '"test_accuracy":'
    verdict "the log has an end" "$(tail -n 1 run.jsonl)"

    run "train again" 0 train $small --epochs 1 --log run.jsonl --quiet
    [ "$(wc -l <run.jsonl)" -eq 35 ]
    verdict "the log is appended to" "$(wc -l <run.jsonl) lines"
    silent err

    run "train --json" 0 train $small --epochs 4 --json --quiet --valid 0.2 --model other.safetensors
    silent err
    json_with model examples features outputs parameters epochs steps train_loss valid_loss \
        valid_accuracy test_loss test_accuracy train_seconds wall_seconds examples_per_second gflops \
        threads provider provider_version provider_path kernel precision seed peak_rss_bytes
    [ "$(value examples) $(value epochs) $(value steps)" = "48 4 20" ]
    verdict "train --json counts" "$(value examples) examples, $(value epochs) epochs, $(value steps) steps"

    run "train with patience" 0 train $small --epochs 300 --valid 0.2 --patience 2 --lr 0.5 \
        --optimizer sgd --schedule constant --json --quiet
    says out '"best_epoch": '
    [ "$(value epochs)" -lt 300 ]
    verdict "patience stops early" "$(value epochs) epochs"

    run "train without a test pair" 0 train --data data/train-images-idx3-ubyte --hidden none \
        --epochs 2 --threads 1 --valid data/t10k-images-idx3-ubyte --json
    json_with valid_loss valid_accuracy
    [ -z "$(value test_loss)" ]
    verdict "keys that do not apply are absent" "test_loss is $(value test_loss)"

    run "valid of a directory is its test pair" 0 train $small --epochs 1 --valid wider --log valid.jsonl
    head -n 1 valid.jsonl | grep -q '"valid":{"path":"wider/t10k-images-idx3-ubyte"'
    verdict "--valid of a directory is its test pair" "$(grep -o '"valid":{[^,]*' valid.jsonl)"
    refuses "valid of a directory without a test pair" 2 'solo/train-images-idx3-ubyte is the training data' \
        train --data solo --valid solo
    refuses "test of a directory without a test pair" 2 'solo/train-images-idx3-ubyte is the training data' \
        train --data solo --test ./solo
    refuses "test on the training file" 2 'is the training data itself' \
        train --data solo --test "$PWD/solo/train-images-idx3-ubyte"
    run "valid of another directory's training pair" 0 train $small --valid solo --epochs 1

    unset OMP_NUM_THREADS
    processors=$(nproc)
    run "more threads than processors" 0 train --data data --hidden 8 --epochs 1 --threads $((processors + 1))
    [ "$(grep -c "^--threads: $((processors + 1)) threads .* the $processors CPU" err)" -eq 1 ]
    verdict "one warning of too many threads" "$(head -n 2 err)"
    run "more threads than processors, quietly" 0 train --data data --hidden 8 --epochs 1 --quiet \
        --threads $((processors + 1))
    silent err
    run "as many threads as processors" 0 train --data data --hidden 8 --epochs 1 --threads "$processors"
    ! grep -q '^--threads:' err
    verdict "no warning of as many threads" "$(head -n 1 err)"

    SLURM_JOB_ID=4711 "$gemmlp" train $small --epochs 3 --log settings.jsonl --quiet >/dev/null
    head -n 1 settings.jsonl >settings
    for setting in '"lr":0\.[0-9]' '"momentum":0\.9' '"beta2":0\.9[0-9]*' '"epsilon":1e-8' \
        '"weight_decay":0\.0' '"warmup":0\.3' '"schedule_factor":0\.0001' '"schedule_epochs":[1-9]' \
        '"slurm_job_id":"4711"' "\"host\":\"$(uname -n)\"" "\"directory\":\"$PWD\""; do
        grep -q "$setting" settings
        verdict "the log's run has $setting" "$(grep -o '"training":{[^}]*' settings)"
    done

    run "train to regress" 0 train $small --task regress --epochs 2 --json
    json_with test_loss rmse r2
    [ -z "$(value test_accuracy)" ]
    verdict "no accuracy of a regression" "it is $(value test_accuracy)"

    run "train with class weights" 0 train $small --epochs 1 --class-weights balanced
    pair uneven 10 2 3
    run "train with balanced class weights" 0 train --data uneven --epochs 1 --threads 1 \
        --class-weights balanced --log weights.jsonl
    head -n 1 weights.jsonl | grep -q '"class_weights":\[0\.8333[0-9]*,1\.1111[0-9]*,1\.1111[0-9]*\]'
    verdict "balanced weights are examples / (classes x examples of the class)" \
        "$(grep -o '"class_weights":[^]]*' weights.jsonl)"
    run "train with named class weights" 0 train $small --epochs 1 --class-weights 0:1,2:3.5
    run "train with all options" 0 train $small --epochs 2 --hidden 8,6 --activation tanh,gelu \
        --output-activation softmax --init glorot,he,nielsen --dropout 0.1,0 --loss cross_entropy \
        --label-smoothing 0.1 --l1 1e-5 --l2 1e-4 --preprocess scale --seed 7 --optimizer adamw \
        --lr 0.01 --momentum 0.8 --beta2 0.99 --epsilon 1e-7 --weight-decay 0.01 --clip-norm 5 \
        --schedule step --warmup 0.1 --schedule-factor 0.5 --schedule-epochs 1 --task classify \
        --format idx --precision f32 --provider reference --test data
}

# The library of matrix products is chosen at run time: $GEMMLP_FAKES has good ones and others.
test_providers() {
    refuses "--provider of no name" 2 "valid: openblas, .*, reference, auto, or the path of a CBLAS library" \
        train $small --provider blas-x
    refuses "--provider without a file" 2 "provider '\./none\.so': expected a shared library .*No such file" \
        train $small --provider ./none.so
    refuses "eval with a provider without a file" 2 "provider '\./none\.so': expected a shared library" \
        eval small.safetensors --data data --provider ./none.so
    refuses "predict with a provider without a file" 2 "provider '\./none\.so': expected a shared library" \
        predict small.safetensors --data data --provider ./none.so
    refuses "--provider that is data" 2 "data/train-images-idx3-ubyte'?: .*(invalid ELF header|file too short)" \
        train $small --provider data/train-images-idx3-ubyte
    run "the reference says that it is slow" 0 train $small --epochs 1 --provider reference
    says err 'naive loop'
    run "--quiet says nothing of it" 0 train $small --epochs 1 --provider reference --quiet
    run "bf16 by the reference" 0 train $small --epochs 1 --provider reference --precision bf16 --quiet --json
    says out '"precision": "bf16"'
    refuses "bf16 by who has none" 2 'provider openblas has no bf16 products' \
        train $small --epochs 1 --provider openblas --precision bf16
    run "info in bf16" 0 info --inputs 4 --hidden 5 --outputs 3 --precision bf16 --json
    says out '"bytes_half": '
    silent err
    if [ ! -f "$GEMMLP_FAKES/libfake_good.so" ]; then
        bad "fake libraries" "GEMMLP_FAKES does not name their folder"
        return
    fi
    refuses "--provider that is no BLAS" 2 'has no cblas_sgemm' \
        train $small --provider "$GEMMLP_FAKES/libfake_empty.so"
    for kind in good:cblas scipy:openblas blis:blis; do
        run "train by the ${kind%:*} library" 0 train $small --epochs 3 --json --quiet \
            --provider "$GEMMLP_FAKES/libfake_${kind%:*}.so" --model "${kind%:*}.safetensors"
        [ "$(value provider)" = "${kind#*:}" ]
        verdict "its provider is ${kind#*:}" "$(value provider)"
        says out '"provider_path": "/[^"]*/libfake_'"${kind%:*}"'.so"'
    done
    cmp -s good.safetensors scipy.safetensors && cmp -s good.safetensors blis.safetensors
    verdict "the same loops give the same model" "the files differ"
    printf 'provider = %s\n' "$GEMMLP_FAKES/libfake_good.so" >provider.ini
    run "a provider's path in a --config file" 0 train $small --epochs 1 --config provider.ini --log path.jsonl
    says err 'thread.*; cblas: libfake_good\.so; '
    head -n 1 path.jsonl | grep -q '"provider_path":"/[^"]*/libfake_good.so"'
    verdict "the log names the library" "$(grep -o '"provider[^,]*' path.jsonl)"
    run "eval by the good library" 0 eval small.safetensors --data data --provider "$GEMMLP_FAKES/libfake_good.so"
    run "train by a library whose products are NaN" 4 train $small --epochs 1 \
        --provider "$GEMMLP_FAKES/libfake_nan.so"
}

test_repeat() {
    "$gemmlp" train $small --epochs 3 --seed 5 --model a.safetensors >/dev/null 2>&1
    "$gemmlp" train --seed 5 $small --model b.safetensors --epochs 3 >/dev/null 2>&1
    "$gemmlp" train $small --epochs 3 --seed 6 --model c.safetensors >/dev/null 2>&1
    cmp -s a.safetensors b.safetensors
    verdict "the same seed gives the same model" "the files differ"
    ! cmp -s a.safetensors c.safetensors
    verdict "another seed gives another model" "the files are the same"
}

test_plans() {
    run "train: a plan" 0 train $small --threads 2 --epochs 2 --seed 5 --plan plans/p.json --model a.safetensors --json
    is_json plans/p.json
    verdict "$name, is kept as JSON" "it is not"
    says out '"provider": ?"'
    cp plans/p.json kept.json
    run "train: a plan again" 0 train $small --threads 2 --epochs 2 --seed 5 --plan plans/p.json --model b.safetensors
    cmp -s plans/p.json kept.json && cmp -s a.safetensors b.safetensors
    verdict "$name, the same plan and the same model" "they differ"
    rm -rf cache
    run "train: deterministic" 0 train $small --threads 2 --epochs 2 --seed 5 --deterministic --model c.safetensors
    [ ! -e cache ]
    verdict "$name, no plan" "there is one"
    run "info: no plan yet" 0 info --plan
    says out '^products +0$'
    run "train: the usual plan" 0 train $small --threads 2 --epochs 1
    run "info: a plan" 0 info --plan
    says out '^  NT f32 .* of  2 '
    run "info: a plan to be exported" 0 info --plan --json
    is_json out
    verdict "$name, is JSON" "it is not"
    cp out imported.json
    cp out before.json
    echo '{"gemmlp_plan": 1}' >cache/gemmlp/plan.json
    run "train: a damaged usual plan" 0 train $small --threads 2 --epochs 1
    says err 'plan.json: not a plan: .*; it was removed, and is made anew'
    is_json cache/gemmlp/plan.json
    verdict "$name, is JSON again" "it is not"
    run "train: an imported plan" 0 train $small --threads 2 --epochs 1 --plan imported.json
    cmp -s imported.json before.json
    verdict "$name, has all" "it was added to"
    run "eval: a plan" 0 eval a.safetensors --data data --plan plans/p.json
    echo '{"gemmlp_plan": 1}' >odd.json
    refuses "train: a damaged plan" 3 'odd.json: not a plan' train $small --epochs 1 --plan odd.json
    refuses "train: a plan of one provider" 2 '--plan: expected --provider auto' train $small --epochs 1 --plan p.json \
        --provider reference
    refuses "train: a plan, deterministic" 2 'no --deterministic' train $small --epochs 1 --plan p.json --deterministic
    refuses "train: a plan that cannot be kept" 1 '/proc/none/p.json' train $small --epochs 1 --plan /proc/none/p.json
    HOME=/nowhere XDG_CACHE_HOME='' run "train: no cache directory" 0 train $small --epochs 1
}

test_models() {
    run "eval" 0 eval small.safetensors --data data --threads 1
    says out '^examples +9$'
    says out '^accuracy +[0-9.]+ %$'
    says out '^loss +[0-9.]+$'
    run "eval --confusion" 0 eval small.safetensors --data data --confusion --threads 1
    says out 'row: label; column: prediction'
    run "eval --json" 0 eval small.safetensors --data data --json --confusion --threads 1
    json_with examples loss accuracy confusion
    says out '"classes": \["0", "1", "2"\]'
    sed 's/.*"confusion": \[\[//; s/\].*//; s/,//g' out >row # of label 0
    [ "$(awk '{ print NF, $1 + $2 + $3 }' row)" = "3 3" ]
    verdict "a row of the confusion matrix counts the examples of its label" "$(cat row)"
    run "eval --part train" 0 eval small.safetensors --data data --part train --json --threads 1
    [ "$(value examples)" = 60 ]
    verdict "eval --part train reads the training pair" "$(value examples) examples"
    refuses "eval --part of a file" 2 'is one file' \
        eval small.safetensors --data data/t10k-images-idx3-ubyte --part test

    run "predict" 0 predict small.safetensors --data data --threads 1
    [ "$(head -n 1 out)" = "example,prediction" ] && [ "$(wc -l <out)" -eq 10 ]
    verdict "predict has a header and a line an example" "$(head -n 1 out), $(wc -l <out) lines"
    run "predict --proba" 0 predict --proba small.safetensors --data data --threads 1
    says out '^example,prediction,probability_0,probability_1,probability_2$'
    awk -F, 'NR > 1 { if (NF != 5) wrong = 1
                      sum = $3 + $4 + $5; if (sum < 0.9999 || sum > 1.0001) wrong = 1
                      best = 0; for (i = 1; i < 3; i++) if ($(3 + i) > $(3 + best)) best = i
                      if (best != $2) wrong = 1 }
             END { exit wrong }' out
    verdict "probabilities sum to 1 and the largest is predicted" "they do not"
    mv out printed
    run "predict --output" 0 predict small.safetensors --proba --data data --output p.csv --json --threads 1
    cmp -s printed p.csv
    verdict "predict --output writes what is printed otherwise" "they differ"
    json_with examples output
    ! ls p.csv.* >/dev/null 2>&1
    verdict "predict leaves no temporary file" "$(ls)"
    ln -s p.csv link.csv
    run "predict to a link" 0 predict small.safetensors --data data --output link.csv --threads 1
    [ -L link.csv ] && head -n 1 p.csv | grep -qx 'example,prediction'
    verdict "predict keeps a link and replaces its file" "it does not"
    for place in '' '--output -' '--output /dev/stdout'; do
        refuses "predict --json ${place:-without --output}" 2 'needs --output' \
            predict small.safetensors --data data --json $place
    done
    run "predict --output -" 0 predict small.safetensors --data data --output - --threads 1
    [ "$(wc -l <out)" -eq 10 ] && [ ! -e ./- ]
    verdict "predict --output - prints" "$(wc -l <out) lines"

    cp data/t10k-images-idx3-ubyte alone-images-idx3-ubyte
    run "predict for images without labels" 0 predict small.safetensors --data alone-images-idx3-ubyte \
        --threads 1
    [ "$(wc -l <out)" -eq 10 ]
    verdict "there is a line for each image" "$(wc -l <out) lines"
    refuses "eval for images without labels" 3 'alone-labels' \
        eval small.safetensors --data alone-images-idx3-ubyte

    run "info MODEL" 0 info small.safetensors
    says out '^network +6-8-3$'
    says out '^classes +3: 0, 1, 2$'
    says out '^parameters +83, of which 72 weights$'
    says out '^predict +144 FLOP an example$'
    says out '^train +336 FLOP an example, 43 kFLOP a step of 128$' # 6 x 72 - 2 x 48
    says out 'memory, adam with batches of 128'
    run "info MODEL --json" 0 info small.safetensors --json --batch 64 --optimizer sgd
    json_with layers parameters weights flop_train flop_step bytes_training classes
    run "info --data" 0 info --data data
    says out 'examples +60$'
    says out 'class 2 +20 \(33\.33 %\)'
    run "info --data --json" 0 info --data data --json
    json_with train test examples class_counts
    run "info --data without targets" 0 info --data alone-images-idx3-ubyte
    says out '^ +targets +none$'
    run "info --data without targets, as JSON" 0 info --data alone-images-idx3-ubyte --json
    ! grep -Eq '"(outputs|task|class_counts)"' out
    verdict "nothing is said of targets that are none" "$(cat out)"
    mkdir -p unnamed
    images unnamed/plain.idx 5 2 3
    run "info of a file that names no targets" 0 info --data unnamed/plain.idx
    says out '^ +targets +none$'
    refuses "info MODEL with network options" 2 '--activation: is for --inputs and --outputs' \
        info small.safetensors --activation tanh
    refuses "info MODEL --hidden" 2 '--hidden: is for' info small.safetensors --hidden 3
    refuses "info --data --batch" 2 '--batch: is for a MODEL' info --data data --batch 3
    refuses "info --machine --format" 2 '--format: is for --data' info --machine --format idx
    run "info of a network --task" 0 info --inputs 4 --outputs 2 --task regress
    run "info --machine" 0 info --machine
    says out '^threads +[1-9]'
    says out '^  openblas +OpenBLAS [0-9.]+ \([A-Za-z0-9]+\), /'
    says out '^  reference +gemmlp [0-9.]+ triple loop$'
    mask=$(sed -n 's/^  affinity mask *//p' out)
    first=$(sed -n 's/^Cpus_allowed_list:[^0-9]*\([0-9]*\).*/\1/p' /proc/self/status)
    OMP_PLACES="{$first},{$first}" run "info --machine, one place, twice" 0 info --machine
    says out '^  affinity mask +1$'
    # The run-time library binds the first thread to one place as soon as it is loaded. (Where two of them are, each
    # sees what the other has done.)
    if ! ldd "$gemmlp" | grep -q 'libomp\.so'; then
        OMP_PROC_BIND=true run "info --machine, bound" 0 info --machine
        says out "^  affinity mask +$mask\$"
    fi
    run "info --machine --json" 0 info --machine --json
    json_with cpu threads providers
    says out '"name": "openblas", "installed": true, "version": "OpenBLAS [0-9.]+", "kernel": "[A-Za-z0-9]+", "path": "/'
    says out '"name": "reference", "installed": true, "version": "gemmlp [^"]*"\}'
    mkdir loud
    cp "$GEMMLP_FAKES/libfake_loud.so" loud/libmkl_rt.so.3
    LD_LIBRARY_PATH=$dir/loud:${LD_LIBRARY_PATH:-} run "info --machine, a library writes to stdout" 0 info --machine
    says err '^here I am$'
    [ "$(grep -c '^CPU' out)" -eq 1 ] && ! grep -q '^here I am$' out
    verdict "$name, stdout is ours alone" "$(head -c 80 out)"
    run "info of a network" 0 info --inputs 784 --outputs 10 --hidden 128,64 --json
    [ "$(value weights)" = 109184 ]
    verdict "info counts weights" "$(value weights)"
    says out '"flop_train": 454400.0,' # 6 x 109184 - 2 x 784 x 128
}

test_gradcheck() {
    run "gradcheck" 0 gradcheck
    says out '^max relative error +[0-9.e-]+ \(tolerance 1e-07\)$'
    run "gradcheck --json" 0 gradcheck --json --activation tanh --l2 0.1 --samples 20
    json_with parameters_checked max_relative_error tolerance
    run "gradcheck that is too strict" 1 gradcheck --tolerance 1e-18 --json
    says err 'exceeds the tolerance 1e-18'
    says out '"passed": false'
    run "gradcheck of nothing" 1 gradcheck --outputs 1 # a softmax of one is 1, whatever the weights
    says err 'proves nothing'
    timeout 1 "$gemmlp" gradcheck --inputs 400 --hidden 100 --batch 1 >out 2>err
    name="gradcheck of many parameters"
    says err '^all 40504 parameters are checked one by one; --samples 1000 '
    run "gradcheck of a few of many parameters" 0 gradcheck --inputs 400 --hidden 100 --batch 1 --samples 20
    silent err
    for task in classify regress multilabel; do
        run "gradcheck --task $task" 0 gradcheck --task "$task" --activation gelu
    done
}

# The contributions that the page lists, and what it says is their sum.
paths_add_up() {
    awk '/^      (i = |the other)/ { sum += $NF; size += $NF < 0 ? -$NF : $NF; lines++ }
         /^      all together/ { total = $NF }
         END { error = sum - total
               exit lines < 2 || size == 0 || error > 1e-4 * size || error < -1e-4 * size }' out
    verdict "$name, the paths add up" "$(grep '^      ' out)"
}

# The page's formula of dC0/da, worked out by awk, against the derivative by the library.
explain_losses() {
    run "explain a softmax, as JSON" 0 explain small.safetensors --data data --weight 1,2,7 --json
    ! grep -q '"da_dz"' out
    verdict "nor in JSON" "$(cat out)"
    for loss in cross_entropy quadratic half_quadratic mse mae huber; do
        "$gemmlp" train $small --epochs 1 --output-activation sigmoid --loss $loss --quiet \
            --model loss.safetensors >/dev/null
        run "explain $loss, as JSON" 0 explain loss.safetensors --data data --weight 1,2,7 --json
        derivative=$(value dC_da)
        run "explain $loss" 0 explain loss.safetensors --data data --weight 1,2,7
        says out "\(from $loss, at a = "
        a=$(sed -n 's/.*(from .*, at a = \([^,]*\), y = .*/\1/p' out)
        y=$(sed -n 's/.*(from .*, y = \([^,)]*\).*/\1/p' out)
        # As awk writes it; outputs of a sigmoid are too near to y to be cut.
        formula=$(sed -n 's/^  dC0\/da^(1)_2 = \(.*[^ ]\)  *= .*(from.*/\1/p' out |
            sed 's/2 (/2 * (/; s/a (1/a * (1/; s/, cut to -1 .. 1//')
        awk -v a="$a" -v y="$y" -v n=3 -v d="$derivative" "
            function sign(x) { return (x > 0) - (x < 0) }
            BEGIN { error = (${formula:-0}) - d
                    exit !(d != 0 && error < 1e-5 && error > -1e-5) }"
        verdict "the formula of $loss gives its derivative" "'$formula' at a = $a, y = $y, not $derivative"
    done
}

test_explain() {
    run "explain" 0 explain small.safetensors --data data --example 1
    says out '^example 1 of data/t10k-images-idx3-ubyte: label 1, prediction [0-2] '
    says out 'dC0/dw'
    says out 'really changes by'
    [ "$(grep -o '^w^(.)' out | tr -d '\n')" = 'w^(1)w^(0)' ]
    verdict "explain shows a weight of each layer, the last first" "$(grep '^w^' out)"
    head -n 2 out | tail -n 1 | grep -qxF '  dC0/dw_jk = dz_j/dw_jk * da_j/dz_j * dC0/da_j'
    verdict "explain opens with the chain rule" "$(head -n 2 out)"
    says out '^w\^\(0\)_.*from feature [0-5], the pixel in row [01], column [0-2] of 2 x 3$'
    says out 'average over the first 9 examples'
    says out '^The ratio .* tends to 1 as h goes to 0'
    run "explain --largest" 0 explain small.safetensors --data data --largest 3
    [ "$(grep -c '^w^([01])_' out)" -eq 3 ]
    verdict "explain --largest 3 shows three weights" "$(grep -c '^w^([01])_' out)"
    awk '/^  dC0\/dw\^.* = / { size = $NF < 0 ? -$NF : $NF
                             if (lines++ && size > last) wrong = 1
                             last = size }
         END { exit wrong || lines != 3 }' out
    verdict "explain --largest 3 sorts them" "$(grep ' dC0/dw' out)"
    ! LC_ALL=C grep -q '[^ -~]' out
    verdict "explain in ASCII" "$(LC_ALL=C grep '[^ -~]' out | head -n 1)"
    run "explain a hidden weight" 0 explain small.safetensors --data data --example 2 --weight 0,3,5 --nudge 1e-4
    says out '^w\^\(0\)_3,5 = '
    says out 'over the 3 neurons i of layer 1:'
    says out 'all together'
    paths_add_up
    run "explain an output weight" 0 explain small.safetensors --data data --weight 1,2,7
    says out 'softmax: not a_2 alone'
    says out '^  dC0/dz\^\(1\)_2 = sum_i da_i/dz_2 \* dC0/da_i .*a_2 - y_2 = '
    ! grep -Eq 'da\^\(1\)_2/dz\^\(1\)_2|1 - a' out
    verdict "no factor that is not in the product" "$(grep 'da^(1)' out)"
    explain_losses
    [ "$(grep -c 'ratio \(0\.9[5-9]\|1\.0[0-4]\)' out)" -eq 2 ]
    verdict "a nudge does what the derivative says" "$(grep ratio out)"
    run "train a deeper network" 0 train --data data --hidden 8,8 --activation tanh --epochs 2 \
        --threads 1 --model deep.safetensors
    run "explain many paths" 0 explain deep.safetensors --data data --weight 0,1,2
    says out 'over the 8 neurons i of layer 1:'
    [ "$(grep -c '^ *i = ' out)" -eq 5 ]
    verdict "explain shows five paths" "$(grep -c '^ *i = ' out)"
    says out 'the other 3 '
    awk '/ i = |the other/ { sum += $NF }
         /all together/ { d = sum - $NF; exit !(d < 1e-6 && d > -1e-6) }' out
    verdict "the paths add up" "they do not"
    run "explain --json" 0 explain deep.safetensors --data data --example 1 --weight 0,1,1 --json
    json_with example cost weights dC_dw dz_dw da_dz dC_da paths average_dC_dw cost_nudged
    awk -v product="$(value dC_dw)" -v a="$(value dz_dw)" -v slope="$(value da_dz)" \
        -v above="$(value dC_da)" 'BEGIN {
            difference = product - a * slope * above
            exit !(product != 0 && difference < 1e-12 && difference > -1e-12) }'
    verdict "dC/dw is the product of its factors" "$(value dC_dw)"
    if [ "$(LC_ALL=C.UTF-8 locale charmap 2>/dev/null)" = UTF-8 ]; then
        LC_ALL=C.UTF-8 "$gemmlp" explain small.safetensors --data data >out 2>err
        grep -q '∂C₀/∂w' out
        verdict "explain in UTF-8" "no symbols"
    fi
    refuses "explain an example too many" 2 'has examples 0 to 8, found 9' \
        explain small.safetensors --data data --example 9
    refuses "explain a layer too many" 2 'layer 2' explain small.safetensors --data data --weight 2,0,0
    refuses "explain half a weight" 2 'expected three numbers L,J,K, found 2' \
        explain small.safetensors --data data --weight 2,0
    refuses "explain without a nudge" 2 '--nudge: expected a number other than 0' \
        explain small.safetensors --data data --nudge 0
}

# ---- bad files ---------------------------------------------------------------------------------

test_bad_data() {
    refuses "data that is missing" 3 'nowhere' train --data nowhere
    refuses "eval of missing data" 3 'nowhere' eval small.safetensors --data nowhere
    mkdir -p empty
    refuses "an empty directory" 3 'empty' train --data empty
    : >empty/train-images-idx3-ubyte
    labels empty/train-labels-idx1-ubyte 3
    refuses "an empty file" 3 'train-images-idx3-ubyte' train --data empty
    pair short 12 2 3
    head -c 50 data/train-images-idx3-ubyte >short/train-images-idx3-ubyte
    refuses "a truncated file" 3 'train-images-idx3-ubyte' train --data short
    pair fewer 12 2 3
    labels fewer/train-labels-idx1-ubyte 11
    refuses "too few labels" 3 '12.*11|11.*12' train --data fewer
    echo "this is not IDX" >text
    refuses "text" 3 'text' train --data text
    refuses "test data of another width" 3 '9 features, .* has 6|6 features, .* has 9' \
        train --data data --test wide
    refuses "data of another width than the model's" 3 '6.*9|9.*6' eval small.safetensors --data wide
    refuses "the same in predict" 3 '6.*9|9.*6' predict small.safetensors --data wide
    refuses "the same in explain" 3 '6.*9|9.*6' explain small.safetensors --data wide
    pair classes 12 2 3
    labels classes/t10k-labels-idx1-ubyte 9 5
    refuses "labels the model does not know" 3 'label [34]' eval small.safetensors --data classes
}

test_bad_models() {
    refuses "a model that is missing" 3 'nothing.safetensors' eval nothing.safetensors --data data
    refuses "info of a missing model" 3 'nothing.safetensors' info nothing.safetensors
    : >none.safetensors
    refuses "an empty model" 3 'none.safetensors' eval none.safetensors --data data
    size=$(wc -c <small.safetensors)
    for keep in 4 60 $((size / 2)) $((size - 1)); do
        head -c "$keep" small.safetensors >cut.safetensors
        refuses "a model cut to $keep bytes" 3 'cut.safetensors' predict cut.safetensors --data data
    done
    refuses "data for a model" 3 'train-images' eval data/train-images-idx3-ubyte --data data
}

# ---- where results go --------------------------------------------------------------------------

test_outputs() {
    refuses "a model in a missing directory" 1 'missing/m.safetensors: ' \
        train $small --model missing/m.safetensors
    refuses "a model over a directory" 1 'data: ' train $small --model data
    refuses "a log in a missing directory" 1 'missing/r.jsonl: ' train $small --log missing/r.jsonl
    refuses "predictions in a missing directory" 1 'missing/p.csv' \
        predict small.safetensors --data data --output missing/p.csv
    ln -s missing/m.safetensors dangling.safetensors
    refuses "a model behind a link into nowhere" 1 'dangling.safetensors: ' \
        train $small --model dangling.safetensors
    ! grep -q '^epoch' err
    verdict "that is told before training" "$(grep '^epoch' err | head -n 1)"
    if [ "$(id -u)" -ne 0 ]; then
        mkdir -p locked
        : >read-only.safetensors
        chmod 400 read-only.safetensors
        refuses "a read-only model" 1 'read-only.safetensors: ' train $small --model read-only.safetensors
        chmod 500 locked
        refuses "a directory without permission" 1 'locked/m.safetensors: ' \
            train $small --model locked/m.safetensors
    fi
    # Root works on a node of its own: a program that is broken must not cost the machine its device.
    { # more than any buffer of stdio
        be32 2051
        be32 20000
        be32 2
        be32 3
        head -c 120000 /dev/zero
    } >many-images-idx3-ubyte
    full=/dev/full
    if [ "$(id -u)" -eq 0 ]; then
        full=$dir/full
        mknod "$full" c 1 7 2>/dev/null
    fi
    if [ -c "$full" ] && (: >"$full") 2>/dev/null; then
        for line in "info --machine" "eval small.safetensors --data data --json" \
            "predict small.safetensors --data data" "train $small --epochs 1 --quiet" "train --help" \
            "--version" "gradcheck" "explain small.safetensors --data data"; do
            "$gemmlp" $line >"$full" 2>err
            code=$?
            [ $code -eq 1 ] && grep -q 'standard output: No space left' err
            verdict "stdout is full: $line" "exit code $code"
        done
        run "a full log" 1 train $small --epochs 2 --log "$full" --model kept.safetensors
        says err '^gemmlp: /.*/full: No space left'
        says out '^model +kept.safetensors'
        run "the model of a run with a full log" 0 info kept.safetensors
        run "a full model file" 1 train $small --epochs 1 --model "$full"
        says err '/full: .*No space left'
        says out '^test accuracy'
        run "full predictions" 1 predict small.safetensors --data data --output "$full"
        says err '/full: could not write: No space left'
        run "full predictions, many of them" 1 predict small.safetensors --data many-images-idx3-ubyte \
            --output "$full"
        says err '/full: could not write: No space left'
        [ -c "$full" ]
        verdict "devices are written to, not replaced" "the device is a file now"
    else
        echo "skipped: full outputs (needs a device like /dev/full)"
    fi
    "$gemmlp" info small.safetensors >&- 2>err
    code=$?
    [ $code -eq 1 ]
    verdict "stdout is closed" "exit code $code"
    "$gemmlp" train $small --epochs 1 --model closed.safetensors --log closed.jsonl >&- 2>/dev/null
    is_json closed.jsonl && "$gemmlp" info closed.safetensors >/dev/null
    verdict "with stdout closed, results stay out of the files" "$(head -c 80 closed.jsonl)"
    rm -f closed.jsonl
    "$gemmlp" train $small --epochs 2 --log closed.jsonl >/dev/null 2>&-
    is_json closed.jsonl && [ "$(wc -l <closed.jsonl)" -eq 4 ]
    verdict "with stderr closed, messages stay out of the files" "$(head -c 80 closed.jsonl)"
}

# A file system with a few kilobytes: what was there before must survive.
test_disk_full() {
    mkdir -p small
    if [ "$(id -u)" -ne 0 ] || ! mount -t tmpfs -o size=32k gemmlp-test small 2>/dev/null; then
        echo "skipped: a full disk (needs root and tmpfs)"
        return
    fi
    mounted=yes
    "$gemmlp" train $small --epochs 1 --model small/m.safetensors --quiet >/dev/null 2>&1
    cp small/m.safetensors before
    "$gemmlp" predict small.safetensors --data data >small/p.csv 2>err
    cp small/p.csv before.csv
    dd if=/dev/zero of=small/fill bs=1024 count=64 2>/dev/null
    run "train to a full disk" 1 train $small --epochs 1 --model small/m.safetensors
    says err 'small/m.safetensors.*No space left'
    cmp -s before small/m.safetensors
    verdict "the model from before survives a full disk" "it changed"
    run "predict to a full disk" 1 predict small.safetensors --data data --proba --part train \
        --output small/p.csv
    says err 'small/p.csv: could not write: No space left'
    cmp -s before.csv small/p.csv
    verdict "the predictions from before survive a full disk" "they changed"
    [ "$(ls small)" = "$(printf 'fill\nm.safetensors\np.csv')" ]
    verdict "a full disk leaves no temporary files" "$(ls small)"
    umount small && mounted=
}

# Two names of one file: each is refused before anything is written, and nothing has changed.
test_same_files() {
    mkdir -p same
    cp data/* same/
    cp small.safetensors same/m.safetensors
    printf 'epochs = 1\n' >same/c.ini
    ln same/train-images-idx3-ubyte same/hard
    ln -s train-labels-idx1-ubyte same/soft
    ln -s new.safetensors same/dangling
    cksum same/* 2>/dev/null >before
    options="--data same --hidden 8 --threads 1 --epochs 1"
    while read -r first second arguments; do
        refuses "one file: $arguments" 2 "$first [^ ]+ and $second [^ ]+ are the same file" \
            $arguments
    done <<END
--model --log train $options --model same/new --log same/new
--model --log train $options --model same/new --log ./same/../same/new
--model --log train $options --model same/new.safetensors --log same/dangling
--model --log train $options --model same/dangling --log same/new.safetensors
--model --data train $options --model same/train-images-idx3-ubyte
--model --data train $options --model same/hard
--model --data train $options --model same/soft
--model --test train $options --model same/t10k-labels-idx1-ubyte
--model --valid train --data solo --hidden 8 --valid same/t10k-images-idx3-ubyte --model same/t10k-images-idx3-ubyte
--log --data train $options --log same/train-labels-idx1-ubyte
--log --config train $options --log same/c.ini --config ./same/c.ini
--model --config train $options --model same/c.ini --config same/c.ini
--output MODEL predict same/m.safetensors --data data --output ./same/m.safetensors
--output --data predict small.safetensors --data same --output same/t10k-images-idx3-ubyte
--output --data predict small.safetensors --data same --output same/t10k-labels-idx1-ubyte
END
    cksum same/* 2>/dev/null >after
    cmp -s before after
    verdict "files that were refused are as they were" "$(diff before after)"
    run "one device" 0 train $options --model /dev/null --log /dev/null
}

# A model whose first class has a name that would clear the screen.
test_control_characters() {
    size=$(od -An -tu8 -N8 small.safetensors | tr -d ' ')
    tail -c +9 small.safetensors | head -c "$size" >header
    cat >added <<'END'
,"classes":"[\"\\u001b[2Jx\",\"1\",\"2\"]"
END
    awk 'NR == FNR { added = $0; next }
         { at = index($0, "},\"layers.0.weight\"")
           printf "%s%s%s", substr($0, 1, at - 1), added, substr($0, at) }' added header >named
    length=$(wc -c <named)
    while [ $((length % 8)) -ne 0 ]; do
        printf ' ' >>named
        length=$((length + 1))
    done
    {
        for unit in 1 256 65536 16777216; do
            printf "\\$(printf '%03o' $((length / unit % 256)))"
        done
        printf '\000\000\000\000'
        cat named
        tail -c +$((9 + size)) small.safetensors
    } >named.safetensors
    for line in "info named.safetensors" "eval named.safetensors --data data --confusion" \
        "explain named.safetensors --data data --example 0"; do
        run "control characters: $line" 0 $line
        says out '\\x1B\[2Jx'
        ! LC_ALL=C grep -q '[^ -~]' out
        verdict "$name, stdout is plain" "$(LC_ALL=C grep '[^ -~]' out | head -n 1 | od -c | head -n 2)"
    done
    refuses "control characters in a message" 3 '\\x1B' info "$(printf 'no\033[2J')"
    ! LC_ALL=C grep -q '[^ -~]' err
    verdict "stderr is plain" "it is not"
}

test_divergence() {
    rm -f run.jsonl
    run "divergence" 4 train $small --epochs 3 --optimizer sgd --schedule constant --lr 1e30 \
        --model diverged.safetensors --log run.jsonl --json
    says err '^gemmlp: .*(diverged|NaN|nan|inf)'
    says err '^gemmlp: diverged.safetensors holds the '
    json_with status model
    says out '"status": "diverged"'
    run "the model of a divergence" 0 eval diverged.safetensors --data data
    tail -n 1 run.jsonl | grep -q '"event":"end","status":"diverged"'
    verdict "the log tells of a divergence" "$(tail -n 1 run.jsonl)"
}

# ---- configuration files -----------------------------------------------------------------------

# config LINE…: writes c.ini
config() {
    printf '%s\n' "$@" >c.ini
}

test_config() {
    config '; a comment' '[network]' 'hidden = 5,4' '' '[run]' '  epochs = 2' 'batch=20 ; as given' \
        'json = yes' 'quiet = yes'
    run "config" 0 train --data data --threads 1 --config c.ini
    json_with parameters
    silent err
    [ "$(value parameters) $(value epochs) $(value steps)" = "74 2 6" ]
    verdict "config sets options" "$(value parameters) parameters, $(value epochs) epochs, $(value steps) steps"
    run "config overridden" 0 train --config c.ini --data data --threads 1 --epochs 3 --hidden none
    [ "$(value parameters) $(value epochs)" = "21 3" ]
    verdict "the command line overrides it" "$(value parameters) parameters, $(value epochs) epochs"
    run "config flag overridden" 0 train --config c.ini --data data --threads 1 --json=no
    says out '^test accuracy'

    config '[run]' 'epochs = 2' 'epoch = 3'
    refuses "config with an unknown key" 2 "c.ini:3: unknown option 'epoch'; did you mean 'epochs'" \
        train --data data --config c.ini
    config 'lr = fast'
    refuses "config with a bad value" 2 "c.ini:1: lr: expected a number above 0, found 'fast'" \
        train --data data --config c.ini
    refuses "config with a bad value, overridden" 2 'c.ini:1: lr: ' \
        train --data data --config c.ini --lr 0.1
    config 'epochs = 2' 'what is this'
    refuses "config with a line that is none" 2 "c.ini:2: expected 'option = value'" \
        train --data data --config c.ini
    config '[run' 'epochs = 2'
    refuses "config with a broken section" 2 'c.ini:1: ' train --data data --config c.ini
    config 'epochs = 2' '' 'epochs = 3'
    refuses "config that says a thing twice" 2 "c.ini:3: 'epochs' stands in line 1 already" \
        train --data data --config c.ini
    config 'config = c.ini'
    refuses "config in config" 2 "c.ini:1: 'config' is for the command line only" \
        train --data data --config c.ini
    config "hidden = $(printf '1,%.0s' 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0)1$(printf '%200s' '')"
    refuses "config with a long line" 2 'c.ini:1: line is longer than the 198 characters' \
        train --data data --config c.ini
    printf 'lr = 0.1\nepochs = 2\0\n' >c.ini
    refuses "config with a zero byte" 2 'c.ini:2: line has a zero byte' train --data data --config c.ini
    printf 'epochs = 2\0' >c.ini
    refuses "config that ends with a zero byte" 2 'c.ini:1: line has a zero byte' \
        train --data data --config c.ini
    config 'epochs = 2' 'hidden = "5,4"'
    refuses "config with a quoted value" 2 "c.ini:2: hidden: .*; values are written without quotes" \
        train --data data --config c.ini
    config "model = 'm.safetensors'"
    refuses "config with a quoted path" 2 "c.ini:1: model: .*; values are written without quotes" \
        train --data data --config c.ini
    config 'lr = 0.1 # fast'
    refuses "config with another comment" 2 "c.ini:1: lr: .*; a comment behind a value begins with ' ;'" \
        train --data data --config c.ini
    refuses "config that is missing" 2 'no.ini: No such file' train --data data --config no.ini
    refuses "config that is a directory" 2 'empty: Is a directory' train --data data --config empty
}

# ---- terminals and the real thing --------------------------------------------------------------

# On a pseudo-terminal of 60 columns, by script(1) of util-linux; the transcript is left in the file tty.
# An epoch of 97 GFLOP, since a bar is drawn ten times a second and an epoch shorter than that has none.
on_terminal() {
    script -qec "stty cols 60; $1 '$gemmlp' train --data '$datasets/mnist' --hidden 256,256 --epochs 1 \
        --threads 1" /dev/null </dev/null >tty 2>&1
}

test_terminal() {
    if ! script -qec true /dev/null </dev/null >/dev/null 2>&1; then
        echo "skipped: progress on a terminal (needs script)"
        return
    fi
    escape=$(printf '\033')
    TERM=xterm
    export TERM
    unset NO_COLOR
    on_terminal ""
    grep -q "${escape}\[36m#*" tty
    verdict "a coloured bar on a terminal" "none"
    tr '\r' '\n' <tty | sed "s/${escape}\[[0-9;]*[mK]//g" | grep '\[[# ]*\]' >bars
    awk 'length > 60 { wrong = 1 } END { exit wrong || NR == 0 }' bars
    verdict "the bar fits the terminal" "$(awk 'length > 60' bars | head -n 1)"
    grep -q 'left' bars
    verdict "the bar says how much time is left" "$(head -n 1 bars)"
    on_terminal "NO_COLOR=1"
    grep -q '\[#* *\]' tty && ! grep -q "${escape}\[36m" tty
    verdict "a bar without colour by NO_COLOR" "$(head -c 200 tty)"
    on_terminal "TERM=dumb"
    ! grep -q "$escape" tty
    verdict "plain lines on a dumb terminal" "$(head -c 200 tty)"
}

test_mnist() {
    if [ ! -d "$datasets/mnist" ]; then
        bad "mnist" "$datasets/mnist is missing"
        return
    fi
    run "mnist" 0 train --data "$datasets/mnist" --hidden 32 --epochs 1 --threads 1 --json --quiet \
        --model mnist.safetensors
    json_with test_accuracy
    [ "$(value examples) $(value features) $(value outputs)" = "60000 784 10" ]
    verdict "mnist has 60000 examples" "$(value examples) $(value features) $(value outputs)"
    awk -v a="$(value test_accuracy)" 'BEGIN { exit !(a > 0.93) }'
    verdict "mnist in one epoch" "accuracy $(value test_accuracy)"
    accuracy=$(value test_accuracy)
    run "mnist, eval" 0 eval mnist.safetensors --data "$datasets/mnist" --threads 1 --json
    [ "$(value accuracy)" = "$accuracy" ]
    verdict "eval agrees with train" "$(value accuracy), not $accuracy"
    run "mnist, explain" 0 explain mnist.safetensors --data "$datasets/mnist" --weight 0,5,400 \
        --average 100
    says out '^      the other 5 '
    paths_add_up
}

# What README promises of the command with no other option.
test_default() {
    run "the default" 0 train --data "$datasets/mnist" --threads 1 --json --quiet
    awk -v a="$(value test_accuracy)" 'BEGIN { exit !(a >= 0.98) }'
    verdict "the default reaches 98 %" "accuracy $(value test_accuracy)"
}

test_help
test_usage
test_train
test_providers
test_repeat
test_plans
test_models
test_gradcheck
test_explain
test_bad_data
test_bad_models
test_outputs
test_disk_full
test_same_files
test_control_characters
test_divergence
test_config
test_terminal
test_mnist
test_default

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
