#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Kills a training run with kill -9 at random moments and resumes it each time: it must end in the
# same weights as an undisturbed one.
#
#     tests/kill.sh path/to/tenon [KILLS [SEED]]
#
# Needs MNIST (TENON_DATA, or ./data). SEED repeats the moments, as far as the speed allows.
set -eu

[ $# -ge 1 ] || { echo "usage: $0 TENON [KILLS [SEED]]" >&2; exit 2; }
tenon=$1
wanted=${2:-10}
seed=${3:-1}
dir=$(mktemp -d "${TMPDIR:-/tmp}/tenon-kill-XXXXXX")
pid=
trap 'kill -9 $pid 2>/dev/null || true; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

# $1 names the run; what follows is added to its arguments. Becomes the program, so that a process
# started with & is the one to kill.
train() {
    run=$1
    shift
    exec "$tenon" train lenet --data mnist --limit 6400 --epochs 2 --batch-size 64 --threads 2 \
        --seed 1 --checkpoint "$dir/$run" --checkpoint-every 7 -o "$dir/$run.onnx" \
        --json "$dir/$run.json" "$@"
}

weights() {
    sed -n 's/.*"weights_sha256": *"\([0-9a-f]\{64\}\)".*/\1/p' "$dir/$1.json"
}

fail() {
    echo "kill.sh: $1" >&2
    [ ! -s "$dir/log" ] || sed 's/^/  /' "$dir/log" >&2
    exit 1
}

milliseconds() {
    echo $(($(date +%s%N) / 1000000))
}

begin=$(milliseconds)
(train straight) >"$dir/log" 2>&1 || fail "the undisturbed run failed"
whole=$(($(milliseconds) - begin))
expected=$(weights straight)
[ -n "$expected" ] || fail "the undisturbed run tells no weights_sha256"

# The n-th moment, in milliseconds: anywhere in the time that an undisturbed run takes, so that
# starting, training, writing and ending are all hit. awk's generator is the same everywhere.
moment() {
    awk -v seed="$seed" -v n="$1" -v whole="$whole" 'BEGIN {
        x = (seed * 7919 + n * 104729 + 12345) % 2147483647
        for (i = 0; i < 5; i++) x = (x * 16807) % 2147483647
        printf "%.3f", (x / 2147483647) * whole / 1000 }'
}

kills=0
attempt=0
while [ "$kills" -lt "$wanted" ]; do
    attempt=$((attempt + 1))
    [ "$attempt" -le $((20 * wanted)) ] || fail "only $kills of $attempt runs lived to be killed"
    # Each round of kills begins anew once a run has got to its end.
    train killed --resume >"$dir/log" 2>&1 &
    pid=$!
    sleep "$(moment "$attempt")"
    if kill -9 "$pid" 2>/dev/null; then
        status=0
        wait "$pid" 2>/dev/null || status=$?
        if [ "$status" -eq 137 ]; then
            kills=$((kills + 1))
            continue
        fi
    else
        status=0
        wait "$pid" || status=$?
    fi
    pid=
    [ "$status" -eq 0 ] || fail "a resumed run failed with status $status after $kills kills"
    [ "$(weights killed)" = "$expected" ] ||
        fail "after $kills kills the weights are $(weights killed), undisturbed $expected"
    rm -rf "$dir/killed" "$dir/killed.json" "$dir/killed.onnx"
done

pid=
(train killed --resume) >"$dir/log" 2>&1 || fail "the last resumed run failed"
[ "$(weights killed)" = "$expected" ] ||
    fail "after $kills kills the weights are $(weights killed), undisturbed $expected"
echo "$kills kills, same weights_sha256"
