#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Trains to the accuracies that docs/training.md states and prints them, each with the command
# that gets there: about half an hour per row on two cores. Runs that were interrupted go on, and
# those that are done are not repeated.
#
#     bench/accuracy.sh path/to/tenon [DIR]     results and checkpoints go to DIR (build/accuracy)
#     ROWS="mnist" bench/accuracy.sh ...        only these rows: fashion mnist
#     SEEDS="1 2 3" bench/accuracy.sh ...       other seeds than 1 to 5, for mnist
set -eu

[ $# -ge 1 ] || { echo "usage: $0 TENON [DIR]" >&2; exit 2; }
tenon=$1
dir=${2:-build/accuracy}
rows=${ROWS:-fashion mnist}
seeds=${SEEDS:-1 2 3 4 5}
mkdir -p "$dir"

# $1 names the run; the rest is the command.
train() {
    run=$dir/$1
    shift
    [ -s "$run.json" ] && return 0
    resume=
    [ ! -d "$run.checkpoints" ] || resume=--resume
    "$tenon" train "$@" $resume -o "$run.onnx" --json "$run.part" --quiet
    mv "$run.part" "$run.json"
}

# Percent right on the test images, from a run's JSON.
accuracy() {
    sed -n 's/.*"test_accuracy": *\([0-9.]*\).*/\1/p' "$1"
}

# Mean, spread and extremes of the numbers on standard input.
summary() {
    awk '{ x = 100 * $1; s += x; q += x * x; n++
           if (n == 1 || x < lo) lo = x
           if (n == 1 || x > hi) hi = x }
         END { m = s / n; v = n > 1 ? (q - n * m * m) / (n - 1) : 0
               printf "%.2f %% (mean of %d, standard deviation %.2f, from %.2f to %.2f)\n",
                      m, n, sqrt(v > 0 ? v : 0), lo, hi }'
}

fashion='resnet20 --data fashion-mnist --epochs 20 --augment crop=2,flip'
mnist='mnist-cnn --data mnist --epochs 15 --augment shift=2,rotate=10,scale=0.1'

for row in $rows; do
    case $row in
    fashion)
        # shellcheck disable=SC2086
        train fashion-1 $fashion --seed 1
        echo "tenon train $fashion --seed 1"
        accuracy "$dir/fashion-1.json" | summary
        ;;
    mnist)
        for seed in $seeds; do
            # shellcheck disable=SC2086
            train "mnist-$seed" $mnist --seed "$seed"
        done
        echo "tenon train $mnist --seed S, for S in $seeds"
        for seed in $seeds; do accuracy "$dir/mnist-$seed.json"; done | summary
        ;;
    *)
        echo "$0: no row $row (fashion, mnist)" >&2
        exit 2
        ;;
    esac
done
