# resume_checks.sh: what test_resume.sh and kill_campaign.sh have in common; sourced after cli_checks.sh.

# some_mnist DIRECTORY EXAMPLES: the first examples of MNIST (less than 65536), as training and test pair.
some_mnist() {
    mkdir -p "$1"
    count="\\000\\000\\$(printf '%03o' $(($2 / 256)))\\$(printf '%03o' $(($2 % 256)))"
    for part in train t10k; do
        { printf "\\000\\000\\010\\003$count\\000\\000\\000\\034\\000\\000\\000\\034"
          gzip -dc "$datasets/mnist/$part-images-idx3-ubyte.gz" | tail -c +17 | head -c $((784 * $2)); } \
            >"$1/$part-images-idx3-ubyte"
        { printf "\\000\\000\\010\\001$count"
          gzip -dc "$datasets/mnist/$part-labels-idx1-ubyte.gz" | tail -c +9 | head -c "$2"; } \
            >"$1/$part-labels-idx1-ubyte"
    done 2>/dev/null
}

# digest FILE
digest() {
    sha256sum <"$1" | cut -d ' ' -f 1
}

# log_is_one_run LOG EPOCHS: every line is JSON, each epoch stands there once and in order, and there is one
# end.
log_is_one_run() {
    is_json "$1" &&
        [ "$(sed -n 's/^{"event":"epoch","epoch":\([0-9]*\),.*/\1/p' "$1" | tr '\n' ' ')" = \
            "$(i=0; while [ $((i += 1)) -le "$2" ]; do printf '%d ' $i; done)" ] &&
        [ "$(grep -c '^{"event":"end"' "$1")" -eq 1 ] &&
        tail -n 1 "$1" | grep -q '^{"event":"end","status":"finished"'
}
