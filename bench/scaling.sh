#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What do N threads make of one in training, and what share is that of what the FMA peak gains?
# Turns on one thread and on N alternate, with the peak measured before and after each turn on N;
# a turn is long (a few seconds), so that what the host does for others evens out. Rounds in which
# the peak of N threads falls under 90 % of its highest are printed, but do not count.
#
#     bench/scaling.sh build/tools/tenon/tenon build/bench/bench-peak
#     MODELS="mnist-cnn lenet" ROUNDS=7 THREADS=2 bench/scaling.sh ...    the defaults
set -eu

[ $# -eq 2 ] || { echo "usage: $0 TENON BENCH-PEAK" >&2; exit 2; }
tenon=$1 peak=$2
threads=${THREADS:-2}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# How many epochs of MNIST make a turn of some seconds.
epochs_of() { # model
    case $1 in
    mnist-cnn) echo --epochs 1 ;;
    lenet) echo --epochs 6 ;;
    *) echo --epochs 1 --limit 6400 ;;
    esac
}

images_per_s() { # model threads
    # shellcheck disable=SC2046
    "$tenon" train "$1" $(epochs_of "$1") --threads "$2" --no-checkpoint --quiet \
        -o "$out/model.onnx" --json "$out/run.json"
    sed -n 's/.*"images_per_s": *\([0-9.]*\).*/\1/p' "$out/run.json" | tail -n 1
}

peak_of() { "$peak" --threads "$1" | tail -n 1; } # threads

# "ONE ALL PEAK_ONE PEAK_BEFORE PEAK_AFTER" a line.
rounds() { # model
    for _ in $(seq "${ROUNDS:-7}"); do
        peak_one=$(peak_of 1)
        one=$(images_per_s "$1" 1)
        before=$(peak_of "$threads")
        all=$(images_per_s "$1" "$threads")
        echo "$one $all $peak_one $before $(peak_of "$threads")"
    done
}

for model in ${MODELS:-mnist-cnn lenet}; do
    rounds "$model" | awk -v model="$model" -v threads="$threads" '
        function median(v, n,   i, j, t) {
            for (i = 2; i <= n; i++)
                for (j = i; j > 1 && v[j] < v[j - 1]; j--) {
                    t = v[j]; v[j] = v[j - 1]; v[j - 1] = t
                }
            return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
        }
        { one[NR] = $1; all[NR] = $2; peak[NR] = $3
          low[NR] = $4 < $5 ? $4 : $5; mean[NR] = ($4 + $5) / 2
          if (mean[NR] > best) best = mean[NR] }
        END {
            for (i = 1; i <= NR; i++) {
                gain = all[i] / one[i]; possible = mean[i] / peak[i]
                counts = low[i] >= 0.9 * best
                printf "%s: %.0f on one, %.0f on %d: %.2f of %.2f (%.0f %%)%s\n", model, one[i],
                       all[i], threads, gain, possible, 100 * gain / possible,
                       counts ? "" : ", does not count: the peak fell"
                if (counts) { n++; share[n] = gain / possible; gains[n] = gain }
            }
            if (n) printf "%s: median of %d: %.2f, %.0f %% of what the peak gains\n", model, n,
                          median(gains, n), 100 * median(share, n)
        }'
done
