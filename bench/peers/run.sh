#!/bin/sh
# One training step beside PyTorch, JAX, scikit-learn and FANN: makes what the peers need in build/peers, once,
# then measures. Its options are those of bench/peers/step.py (--help).
# Python's peers come from PyPI, each by itself, so that one that cannot be had does not lose the others: its
# row then says so. pip's own settings hold (PIP_INDEX_URL, for an index with smaller builds of PyTorch).
set -eu
cd "$(dirname "$0")/../.."
peers=build/peers

package() { sh bench/packages.sh "$@" || echo "run.sh: without $*" >&2; }

wheel() { # wheel PACKAGE MODULE
    "$peers/bin/python" -c "import sys, importlib.util as u; sys.exit(not u.find_spec('$2'))" && return
    echo "installing $1 in $peers" >&2
    "$peers/bin/pip" install --quiet --disable-pip-version-check "$1" || echo "run.sh: without $1" >&2
}

fann() {
    package libfann-dev
    # shellcheck disable=SC2046 # words on purpose
    pkg-config --exists fann jansson &&
        ${CC:-cc} -std=c11 -O2 "-DFANN_VERSION=\"$(pkg-config --modversion fann)\"" \
            bench/peers/with_fann.c -o "$peers/with_fann" $(pkg-config --cflags --libs fann jansson) -lm ||
        echo "run.sh: without FANN" >&2
}

case " $* " in
*" --help "* | *" -h "*) exec python3 -B bench/peers/step.py --help ;;
esac
package python3-venv
needs=$(python3 -B bench/peers/step.py "$@" --needs)
mkdir -p "$peers"
[ -x "$peers/bin/pip" ] || python3 -m venv "$peers" || echo "run.sh: without Python's peers" >&2
for need in $needs; do
    case $need in
    torch)
        package g++ python3-dev # for torch.compile
        wheel numpy numpy
        wheel torch torch
        ;;
    jax) wheel jax jax ;; # brings numpy
    scikit-learn) wheel scikit-learn sklearn ;;
    fann) fann ;;
    esac
done
exec python3 -B bench/peers/step.py "$@"
