#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Times the way to 99 % on MNIST's test images, from process start to process end, with the recipe
# of docs/training.md, and PyTorch with the same recipe beside it: the seeds in turn, each a
# process. Nothing else may run meanwhile. About a minute, and half a minute for each seed of
# PyTorch.
#
#     bench/time_to_accuracy.sh path/to/tenon    20 seeds, 5 of them with PyTorch, too
#     SEEDS="1 2 3" PEER_SEEDS="1" THREADS=2 bench/time_to_accuracy.sh ...    others
#
# PyTorch runs if bench/peers/.venv is there (bench/peers/setup.sh makes it). Needs GNU date.
set -eu

[ $# -eq 1 ] || { echo "usage: $0 TENON" >&2; exit 2; }
tenon=$1
peers=$(dirname "$0")/peers
python=$peers/.venv/bin/python
seeds=${SEEDS:-1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20}
peer_seeds=${PEER_SEEDS-1 2 3 4 5}
[ -x "$python" ] || peer_seeds=
of_machine=$("$tenon" cpu --json - 2>/dev/null | sed -n 's/.*"threads": *\([0-9]*\).*/\1/p')
threads=${THREADS:-$of_machine}
recipe='tiny-cnn --augment crop=1 --no-checkpoint'
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# Runs a command that writes $dir/run.json, and appends "SECONDS ACCURACY SECONDS_INSIDE" to a file.
timed() { # file command...
    file=$1
    shift
    begin=$(date +%s%N)
    "$@"
    end=$(date +%s%N)
    accuracy=$(sed -n 's/.*"test_accuracy": *\([0-9.]*\).*/\1/p' "$dir/run.json")
    inside=$(sed -n 's/.*"seconds": *\([0-9.]*\).*/\1/p' "$dir/run.json")
    echo "$begin $end $accuracy $inside" |
        awk '{ printf "%.3f %s %s\n", ($2 - $1) / 1e9, $3, $4 }' >>"$file"
}

# Median, smallest and largest of the numbers in a column.
spread() { # file column scale
    awk -v column="$2" -v scale="$3" '{ print scale * $column }' "$1" | sort -n | awk '
        { x[NR] = $1 }
        END { middle = (x[int((NR + 1) / 2)] + x[int(NR / 2) + 1]) / 2
              printf "%.2f (%.2f to %.2f)\n", middle, x[1], x[NR] }'
}

line() {
    printf '  %-24s %s\n' "$1" "$2"
}

report() { # name file what-the-last-column-is
    [ -s "$2" ] || return 0
    awk -v name="$1" '{ n++; if ($2 >= 0.99) reached++ }
        END { printf "%s: %d of %d seeds reach 99 %%\n", name, reached, n }' "$2"
    line 'accuracy, percent' "$(spread "$2" 2 100)"
    line 'seconds, whole process' "$(spread "$2" 1 1)"
    line "seconds, $3" "$(spread "$2" 3 1)"
}

for seed in $seeds; do
    # shellcheck disable=SC2086
    timed "$dir/tenon" "$tenon" train $recipe --seed "$seed" --threads "$threads" --quiet \
        -o "$dir/model.onnx" --json "$dir/run.json"
    case " $peer_seeds " in
    *" $seed "*)
        timed "$dir/pytorch" "$python" "$peers/time_to_accuracy.py" --seed "$seed" \
            --threads "$threads" --json "$dir/run.json"
        ;;
    esac
done

echo "tenon train $recipe, threads: $threads; medians (smallest to largest)"
report Tenon "$dir/tenon" 'training'
report PyTorch "$dir/pytorch" 'without imports'
