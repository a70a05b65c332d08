#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Times a program's whole life for one answer: from the start of the process to its end, with the
# image read and its class printed. Prints the median and the least of RUNS (50) runs, and what of
# it is the processor's time; nothing else may run meanwhile.
#
#     bench/start.sh path/to/tenon [MODEL.onnx [IMAGE]]
#
# Without a model, mnist-cnn is trained for a moment first: its size is what matters. Needs bash's
# EPOCHREALTIME, so it calls bash.
set -eu

[ $# -ge 1 ] || { echo "usage: $0 TENON [MODEL.onnx [IMAGE]]" >&2; exit 2; }
tenon=$(realpath "$1")
root=$(cd "$(dirname "$0")/.." && pwd)
TENON_DATA=${TENON_DATA:-$root/data}
export TENON_DATA
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
model=${2:-$dir/mnist-cnn.onnx}
image=${3:-$root/examples/digits/7-a.png}
[ $# -ge 2 ] || "$tenon" train mnist-cnn --limit 640 --epochs 1 --no-checkpoint -q -o "$model"

RUNS=${RUNS:-50} bash -eu -c '
    for ((i = 0; i < RUNS + 5; i++)); do
        begin=${EPOCHREALTIME//[.,]/}
        "$0" infer "$1" "$2" --no-draw >/dev/null
        end=${EPOCHREALTIME//[.,]/}
        ((i < 5)) || echo $((end - begin))
    done' "$tenon" "$model" "$image" | sort -n >"$dir/times"
awk '{ t[NR] = $1 }
     END {
         printf "process start to answer: median %.1f ms, least %.1f ms, %d runs\n",
             t[int((NR + 1) / 2)] / 1000, t[1] / 1000, NR
     }' "$dir/times"
