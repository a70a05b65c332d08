#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Races Tenon against PyTorch and other programs and writes docs/benchmarks.md and its plot.
#
#     bench/race.sh TENON [OPTION]...    TENON is build/tools/tenon/tenon or another build's
#
#     --models LIST       of mnist-cnn, lenet, resnet20, with @N behind for batches of N
#     --threads LIST      default 1,2
#     --batch-size N      default 64
#     --rounds N          turns of each that must count; default 5
#     --seconds S         of a turn; default 4
#     --qualify-seconds S of a turn in which a way to run PyTorch qualifies; default 2
#     --quick             shows in a few minutes that everything runs
#     --docs DIR          where the page goes; default docs/, with --quick build/race
#     --inference       races inference instead, against OpenVINO, ONNX Runtime and PyTorch, on the
#                       files that bench/models/export.py has written; a quarter of an hour. Of the
#                       options above it takes --models, --rounds, --seconds, --qualify-seconds,
#                       --quick and --docs
#
# The results as JSON stay in build/race. Needs bench/peers/.venv, which bench/peers/setup.sh makes.
# POSIX sh.
set -eu

usage() {
    sed -n '/^# Races/,/^# The results/s/^# \{0,1\}//p' "$0"
}

case ${1-} in
--help)
    usage
    exit 0
    ;;
'' | -*)
    usage >&2
    exit 2
    ;;
esac
tenon=$(realpath "$1")
shift
root=$(cd "$(dirname "$0")/.." && pwd)
python=$root/bench/peers/.venv/bin/python
out=$root/build/race
docs=$root/docs
given=
inference=false

# The options of train.py are handed on.
n=$#
while [ "$n" -gt 0 ]; do
    option=$1
    shift
    n=$((n - 1))
    case $option in
    --docs)
        given=$1
        shift
        n=$((n - 1))
        continue
        ;;
    --inference)
        inference=true
        continue
        ;;
    --quick) docs=$out ;;
    esac
    set -- "$@" "$option"
done
docs=${given:-$docs}

[ -x "$tenon" ] || {
    echo "race: no program $tenon (build Tenon: ninja -C build)" >&2
    exit 1
}
[ -x "$python" ] || {
    echo "race: no PyTorch in bench/peers/.venv (bench/peers/setup.sh fetches it)" >&2
    exit 1
}
peak=$(dirname "$tenon")/../../bench/bench-peak
[ -x "$peak" ] || {
    echo "race: no bench-peak beside $tenon (build all of Tenon: ninja -C build)" >&2
    exit 1
}
mkdir -p "$out" "$docs"
# What torch.compile makes is kept from one run to the next.
export TORCHINDUCTOR_CACHE_DIR="$out/inductor"
if $inference; then
    "$python" "$root/bench/peers/infer.py" "$tenon" --peak "$peak" \
        --infer "$(dirname "$peak")/bench-infer" -o "$out/inference.json" "$@"
    "$python" "$root/bench/peers/write_inference.py" "$out/inference.json" "$docs"
    echo "race: wrote $docs/benchmarks.md"
    exit 0
fi
"$python" "$root/bench/peers/train.py" "$tenon" --peak "$peak" -o "$out/results.json" "$@"
"$python" "$root/bench/peers/write_benchmarks.py" "$out/results.json" "$docs"
echo "race: wrote $docs/benchmarks.md and benchmarks.svg"
