#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# examples.sh: installs the library, builds the examples against it as a user would, and runs them
# on little work. Prints TAP.
#     tests/examples.sh BUILD_DIR
set -u

build=$(realpath "$1")
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
. "$root/tests/tap.sh"
. "$root/tests/installed.sh"

install_build "$build" "$work/root" >log 2>&1
report $? "meson install"

[ -n "$(find "$work/root" -path '*/include/tenon/tenon.h')" ] &&
    [ -n "$(find "$work/root" -path '*/bin/tenon' -perm -u+x)" ] && [ -d "$TENON_DATA/mnist" ]
report $? "header, command and MNIST are installed"

for example in mnist infer own_model; do
    # shellcheck disable=SC2046
    ${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -Werror "$root/examples/$example.c" -o "$example" \
        $(pkg-config --cflags --libs tenon) >log 2>&1
    report $? "examples/$example.c builds with pkg-config, without a warning"
done
cp -r "$root/examples" source && meson setup meson-build source >log 2>&1 &&
    meson compile -C meson-build >>log 2>&1 && [ -x meson-build/mnist ] &&
    [ -x meson-build/infer ] && [ -x meson-build/own_model ]
report $? "the examples build as a Meson project"

./mnist 1280 >log 2>&1 && grep -qE '^epoch 1 of 1: loss [0-9.]+, accuracy [0-9.]+ %$' log &&
    grep -qE 'test accuracy [0-9.]+ %' log && [ -s mnist-cnn.onnx ]
report $? "mnist trains and writes a model"
accuracy=$(sed -n 's/.*test accuracy \([0-9]*\).*/\1/p' log)
[ "${accuracy:-0}" -ge 60 ]
report $? "1,280 images are enough for 60 % ($accuracy %)"
./infer mnist-cnn.onnx "$root"/examples/digits/[0-9]-a.png >log 2>&1 &&
    [ "$(grep -cE '/[0-9]-a\.png: [0-9]$' log)" -eq 10 ]
report $? "infer names a class for each image"
right=$(sed -nE 's/.*\/([0-9])-a\.png: ([0-9])$/\1 \2/p' log |
    awk '$1 == $2 { k++ } END { print k + 0 }')
[ "$right" -ge 5 ]
report $? "at least half of the digits are right ($right of 10)"
! ./infer mnist-cnn.onnx missing.png >log 2>&1 && grep -q '^infer: .*missing.png' log
report $? "infer reports a missing image"
./own_model 1280 >log 2>&1 && grep -q '^17370 parameters; .*; wrote own-model.onnx$' log &&
    [ -s own-model.onnx ]
report $? "own_model builds, trains and writes a network of its own"
accuracy=$(sed -n 's/.*test accuracy \([0-9]*\).*/\1/p' log)
[ "${accuracy:-0}" -ge 75 ]
report $? "1,280 images are enough for 75 % ($accuracy %)"
./infer own-model.onnx "$root"/examples/digits/7-a.png >log 2>&1 && grep -q '7-a.png: [0-9]$' log
report $? "infer takes the network"
PATH=$(dirname "$(find "$work/root" -path '*/bin/tenon')"):$PATH
export PATH
mkdir converting && (cd converting && sh "$root/examples/convert.sh" --epochs 1 --limit 1280) \
    >log 2>&1 && grep -qE '^batch of 64 ' log && [ -s converting/mnist-cnn-fp32.onnx ] &&
    [ "$(grep -c '^accuracy' log)" -eq 3 ] && [ "$(grep -cE 'mode (reference|fp32)$' log)" -eq 3 ]
report $? "convert.sh trains, converts, and infers in each mode"
lowest=$(sed -n 's/^accuracy  *\([0-9.]*\) %.*/\1/p' log | sort -n | head -1)
highest=$(sed -n 's/^accuracy  *\([0-9.]*\) %.*/\1/p' log | sort -n | tail -1)
awk -v a="$lowest" -v b="$highest" 'BEGIN { exit !(a >= 60 && b - a < 0.1) }'
report $? "the modes agree ($lowest to $highest %)"
! (cd / && TENON_DATA=/nonexistent "$work/mnist" 1 >"$work/log" 2>&1) && grep -q '^mnist: ' log
report $? "mnist reports missing data"

finish
