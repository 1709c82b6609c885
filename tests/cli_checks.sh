# cli_checks.sh: how tests of the command line run it and tell what they saw; sourced with the arguments
# GEMMLP DATASETS by tests that then work in a directory of their own. Prints one line a check; counts them
# in passed and failed.

gemmlp=$1
datasets=$2
if [ ! -x "$gemmlp" ] || [ ! -d "$datasets" ]; then
    echo "usage: $0 GEMMLP DATASETS" >&2
    exit 2
fi
case $gemmlp in /*) ;; *) gemmlp=$PWD/$gemmlp ;; esac
case $datasets in /*) ;; *) datasets=$PWD/$datasets ;; esac

dir=$(mktemp -d "${TMPDIR:-/tmp}/gemmlp-cli.XXXXXX") || exit 2
mounted=
clean_up() {
    if [ -n "$mounted" ]; then
        umount "$dir/small"
    fi
    rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 2' HUP INT TERM
cd "$dir" || exit 2
LC_ALL=C
OMP_WAIT_POLICY=passive
XDG_CACHE_HOME=$dir/cache # of plans
export LC_ALL OMP_WAIT_POLICY XDG_CACHE_HOME
passed=0
failed=0

# ---- how a check is told -----------------------------------------------------------------------

ok() {
    passed=$((passed + 1))
    echo "ok $1"
}

bad() {
    failed=$((failed + 1))
    echo "FAILED $1: $2"
    if [ -s err ]; then
        head -n 5 err | cut -c 1-200 | sed 's/^/    stderr: /'
    fi
}

# verdict NAME REASON: by the exit status of the command before.
verdict() {
    if [ $? -eq 0 ]; then ok "$1"; else bad "$1" "$2"; fi
}

# run NAME CODE ARGUMENTS…: runs gemmlp; stdout and stderr are left in the files out and err.
run() {
    name=$1
    want=$2
    shift 2
    "$gemmlp" "$@" >out 2>err </dev/null
    code=$?
    [ "$code" -eq "$want" ]
    verdict "$name" "exit code $code instead of $want"
}

# says FILE EXTENDED-REGEX: whether what the last run printed matches.
says() {
    grep -Eq -e "$2" "$1"
    verdict "$name, $1 says '$2'" "it does not"
}

silent() {
    [ ! -s "$1" ]
    verdict "$name, $1 is empty" "it is not: $(head -c 80 "$1")"
}

# refuses NAME CODE REGEX ARGUMENTS…: fails with one message, and nothing on stdout.
refuses() {
    what=$3
    title=$1
    expect=$2
    shift 3
    run "$title" "$expect" "$@"
    says err "$what"
    silent out
    [ "$(grep -c '^gemmlp: ' err)" -eq 1 ]
    verdict "$name, one message" "$(grep -c '^gemmlp: ' err) lines begin with 'gemmlp: '"
}

# is_json FILE: whether every line is one JSON value, by folding it from the inside out.
is_json() {
    awk '
        { gsub(/"([^"\\]|\\.)*"/, "S")
          gsub(/-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?/, "V")
          gsub(/true|false|null/, "V")
          gsub(/[ \t]/, "")
          do {
              n = gsub(/\{\}|\{S:[SV](,S:[SV])*\}/, "V")
              n += gsub(/\[\]|\[[SV](,[SV])*\]/, "V")
          } while (n > 0)
          if ($0 != "V") wrong = 1 }
        END { exit wrong || NR == 0 }' "$1"
}

# json_with KEY…: stdout is one JSON object that has these keys.
json_with() {
    is_json out && [ "$(wc -l <out)" -eq 1 ]
    verdict "$name, stdout is one JSON object" "$(head -c 80 out)"
    for key; do
        grep -q "\"$key\": " out
        verdict "$name, JSON has $key" "it has not"
    done
}

# value KEY: a number or string of the JSON on stdout.
value() {
    sed -n "s/.*\"$1\": \"\{0,1\}\([^,\"}]*\).*/\1/p" out
}

# ---- small data --------------------------------------------------------------------------------

be32() {
    for shift in 16777216 65536 256 1; do
        printf "\\$(printf '%03o' $(($1 / shift % 256)))"
    done
}

# images FILE EXAMPLES ROWS COLUMNS: class i % 3 is a bright pixel in another place.
images() {
    {
        be32 2051
        be32 "$2"
        be32 "$3"
        be32 "$4"
        i=0
        while [ $i -lt "$2" ]; do
            pixel=0
            while [ $pixel -lt $(($3 * $4)) ]; do
                if [ $((pixel % 3)) -eq $((i % 3)) ]; then bright=200; else bright=10; fi
                printf "\\$(printf '%03o' $((bright + i * 7 % 30)))"
                pixel=$((pixel + 1))
            done
            i=$((i + 1))
        done
    } >"$1"
}

# labels FILE EXAMPLES [CLASSES]
labels() {
    {
        be32 2049
        be32 "$2"
        i=0
        while [ $i -lt "$2" ]; do
            printf "\\$(printf '%03o' $((i % ${3:-3})))"
            i=$((i + 1))
        done
    } >"$1"
}

# pair DIRECTORY EXAMPLES ROWS COLUMNS: a training and a smaller test pair.
pair() {
    mkdir -p "$1"
    images "$1/train-images-idx3-ubyte" "$2" "$3" "$4"
    labels "$1/train-labels-idx1-ubyte" "$2"
    images "$1/t10k-images-idx3-ubyte" 9 "$3" "$4"
    labels "$1/t10k-labels-idx1-ubyte" 9
}
