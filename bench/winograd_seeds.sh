#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Asks whether Winograd's rounding costs accuracy: trains with and without it from the same seeds
# and prints the table of docs/numerics.md. A run takes 15 to 40 seconds of one core, all of
# them about half an hour; those that are done are not repeated, so that a stopped script goes on
# where it was.
#
#     bench/winograd_seeds.sh path/to/tenon [DIR]    results go to DIR (build/winograd)
#     SEEDS="1 2 3" THREADS=2 bench/winograd_seeds.sh ...    other than 1 to 10, on one thread
#     RUN=no bench/winograd_seeds.sh ...    the table of what is there
set -eu

[ $# -ge 1 ] || { echo "usage: $0 TENON [DIR]" >&2; exit 2; }
tenon=$1
dir=${2:-build/winograd}
seeds=${SEEDS:-1 2 3 4 5 6 7 8 9 10}
mkdir -p "$dir"

# How long a network is trained: as long as fits into half a minute or so.
length_of() { # model
    case $1 in
    mnist-cnn | lenet) echo --epochs 1 --limit 30000 ;;
    resnet20) echo --epochs 2 --limit 6400 ;;
    esac
}

train() { # model data seed with|without
    run=$dir/$1-$2-$3-$4
    [ ! -s "$run.json" ] || return 0
    option=
    [ "$4" = with ] || option=--no-winograd
    # shellcheck disable=SC2046,SC2086
    "$tenon" train "$1" --data "$2" $(length_of "$1") --seed "$3" --threads "${THREADS:-1}" \
        --no-checkpoint $option --quiet -o "$run.onnx" --json "$run.part"
    rm "$run.onnx"
    mv "$run.part" "$run.json"
}

# "WITH WITHOUT", the right parts of the test images, a line for each seed of which both are there.
pairs() { # model data
    for seed in $seeds; do
        both=
        for how in with without; do
            run=$dir/$1-$2-$seed-$how.json
            [ ! -s "$run" ] ||
                both="$both $(sed -n 's/.*"test_accuracy": *\([0-9.]*\).*/\1/p' "$run")"
        done
        case $both in
        ' '*' '*) echo "$both" ;;
        esac
    done
}

# The error of the difference is that of two independent means.
row() { # model data
    pairs "$1" "$2" | awk -v name="| \`$1\` | $2 |" '
        { x = 100 * $1; y = 100 * $2; n++
          sx += x; qx += x * x; sy += y; qy += y * y }
        END {
            if (n < 2) { print name, n + 0, "seeds: too few"; exit }
            mx = sx / n; my = sy / n
            vx = (qx / n - mx * mx) / (n - 1); vy = (qy / n - my * my) / (n - 1)
            if (vx < 0) vx = 0
            if (vy < 0) vy = 0
            error = sqrt(vx + vy)
            ratio = error > 0 ? (mx - my) / error : 0
            printf "%s %d | %.3f ± %.3f | %.3f ± %.3f | %+.3f | %.1f |\n", name, n, mx, sqrt(vx),
                   my, sqrt(vy), mx - my, ratio
        }'
}

for seed in $seeds; do
    [ "${RUN:-yes}" = yes ] || break
    for model in mnist-cnn resnet20 lenet; do
        for data in mnist fashion-mnist; do
            train "$model" "$data" "$seed" with
            train "$model" "$data" "$seed" without
        done
    done
done

echo '| | | seeds | with | without | difference | in standard errors |'
echo '|---|---|---|---|---|---|---|'
for model in mnist-cnn resnet20 lenet; do
    for data in mnist fashion-mnist; do row "$model" "$data"; done
done
