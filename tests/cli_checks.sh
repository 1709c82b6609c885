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
