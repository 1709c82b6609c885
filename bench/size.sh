#!/bin/sh
# Cost against size: time and memory of a training step of W-W-W (Adam) for widths W and batches B.
#   sh bench/size.sh [OUTPUT.svg|png [WIDTHS [BATCHES]]]
#                              after bench/quickstart.sh; lists are separated by blanks. Prints a table
# and draws it (gnuplot); the figures stay beside the picture. Time: median of `gemmlp bench step`; memory:
# all that training takes beside the data, as `gemmlp info` computes it. A case that the machine has no memory for is
# left out, and said.
set -eu
cd "$(dirname "$0")/.."
gemmlp=${GEMMLP:-build/gemmlp}
picture=${1:-bench/pictures/size.svg}
widths=${2:-64 128 256 512 1024 2048 4096 8192}
batches=${3:-1 8 64 512 8192}
table=${picture%.*}.dat

case $picture in
*.svg) terminal="svg size 1000,460 enhanced font 'sans,12' background '#ffffff'" ;;
*.png) terminal="png size 1000,460 enhanced font 'sans,12'" ;;
*) echo "bench/size.sh: $picture: expected a name that ends in .svg or .png" >&2; exit 2 ;;
esac

number() { sed -n "s/.*\"$1\": *\([0-9.e+-]*\).*/\1/p" | tail -n 1; }

echo "# width batch seconds bytes gflops" >"$table"
printf '%8s %8s %14s %14s %10s\n' width batch 'time, s' 'memory, MB' GFLOP/s
for batch in $batches; do
    for width in $widths; do
        record=$("$gemmlp" bench step --network "$width-$width-$width:$batch" --optimizer adam --no-reference \
            --rounds 1 --repetitions 7 --seconds 4 --format json 2>/dev/null) || record=
        seconds=$(echo "$record" | number seconds_median)
        if [ -z "$seconds" ]; then
            printf '%8s %8s   not measured: see gemmlp bench step --network %s\n' "$width" "$batch" \
                "$width-$width-$width:$batch"
            continue
        fi
        bytes=$("$gemmlp" info --inputs "$width" --hidden "$width" --outputs "$width" --batch "$batch" --optimizer adam \
            --json | number bytes_training)
        gflops=$(echo "$record" | number gflops)
        echo "$width $batch $seconds $bytes $gflops" >>"$table"
        awk -v w="$width" -v b="$batch" -v s="$seconds" -v m="$bytes" -v g="$gflops" \
            'BEGIN { printf "%8d %8d %14.6g %14.4g %10.1f\n", w, b, s, m / 1e6, g }'
    done
    printf '\n\n' >>"$table" # gnuplot: the next index
done

if ! command -v gnuplot >/dev/null; then
    echo "bench/size.sh: no gnuplot (Debian: gnuplot-nox): the figures are in $table" >&2
    exit 1
fi
{
    echo "set terminal $terminal
set output '$picture'
set multiplot layout 1,2
set logscale xy 2
set logscale y 10
set grid lc rgb '#dddddd'
set key left top reverse Left samplen 2
set xlabel 'width W of W-W-W (neurons)'
set xrange [$(echo "$widths" | awk '{ print $1 / 1.2 ":" $NF * 1.2 }')]
set xtics ($(for w in $widths; do printf "'%s' %s," "$w" "$w"; done | sed 's/,$//'))"
    for panel in '3:time of a step:s' '4:memory for training:B'; do
        column=${panel%%:*} rest=${panel#*:}
        echo "set title '${rest%:*}'
set format y '10^{%L} ${rest#*:}'"
        index=0 plots=
        # Okabe and Ito's palette, which the colour-blind can tell apart
        set -- '#0072b2' '#e69f00' '#009e73' '#cc79a7' '#56b4e9' '#d55e00' '#000000'
        for batch in $batches; do
            plots="$plots${plots:+, }'$table' index $index using 1:$column with linespoints lw 2 pt 7 ps 0.5 lc rgb '$1' title 'batch $batch'"
            index=$((index + 1))
            [ $# -gt 1 ] && shift
        done
        echo "plot $plots"
    done
} | gnuplot
echo "$picture"
