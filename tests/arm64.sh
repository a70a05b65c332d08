#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Tenon for 64-bit ARM, made by a cross compiler and run by qemu: the NEON kernels against the
# reference, the float mode, and training, which must end in the same weights as with AVX2 here.
#
#     tests/arm64.sh FOLDER path/to/tenon
#
# FOLDER keeps the build and Debian's libraries for ARM, which apt-get fetches into it: nothing is
# installed, and root is not needed. The other tenon is one of this machine.
set -eu

[ $# -eq 2 ] || { echo "usage: $0 FOLDER TENON" >&2; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
here=$2
source=$(cd "$(dirname "$0")/.." && pwd)
root=$folder/root
build=$folder/build
images=$folder/images

case $(uname -m) in
aarch64) echo 'skipped: this is such a machine, so all other tests are of NEON' && exit 77 ;;
esac
for tool in apt-get dpkg-deb aarch64-linux-gnu-gcc qemu-aarch64; do
    command -v $tool >/dev/null || { echo "skipped: there is no $tool" && exit 77; }
done

# An apt-get that knows nothing of this system but where its packages come from.
apt() {
    apt-get -q -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Debug::NoLocking=1 \
        -o Dir::State="$folder/apt" -o Dir::State::status="$folder/apt/status" \
        -o Dir::Cache="$folder/apt" "$@"
}

fetch_libraries() {
    rm -rf "$root" "$folder/apt"
    mkdir -p "$root" "$folder/apt/lists/partial" "$folder/apt/archives/partial"
    : >"$folder/apt/status"
    # Each package is a word of its own.
    # shellcheck disable=SC2046
    apt update && apt install -y --no-install-recommends --download-only \
        $("$source/tools/setup.sh" libraries) || return 1
    for package in "$folder"/apt/archives/*.deb; do
        dpkg-deb -x "$package" "$root" || return 1
    done
    # What points at /lib must point into the folder.
    find "$root" -type l -lname '/*' | while read -r link; do
        ln -sfn "$root$(readlink "$link")" "$link"
    done
    rm -rf "$folder/apt"
    touch "$root/complete"
}

configure() {
    cat >"$folder/cross.ini" <<INI
[binaries]
c = 'aarch64-linux-gnu-gcc'
ar = 'aarch64-linux-gnu-ar'
strip = 'aarch64-linux-gnu-strip'
pkgconfig = 'pkg-config'
exe_wrapper = ['qemu-aarch64', '-L', '$root']

[properties]
sys_root = '$root'
pkg_config_libdir = '$root/usr/lib/aarch64-linux-gnu/pkgconfig'

[built-in options]
c_args = ['--sysroot=$root']
c_link_args = ['--sysroot=$root']

[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'aarch64'
endian = 'little'
INI
    rm -rf "$build"
    meson setup -Dwerror=true --cross-file "$folder/cross.ini" "$build" "$source"
}

# The first n images, or labels, of a file of MNIST.
head_of() { # name n header-bytes bytes-of-one
    gzip -dc "$source/data/mnist/$1.gz" >"$folder/whole"
    {
        head -c 4 "$folder/whole"
        # the count, big-endian
        # shellcheck disable=SC2059
        printf "\\000\\000\\000\\$(printf %o "$2")"
        tail -c +9 "$folder/whole" | head -c $(($3 - 8 + $2 * $4))
    } >"$images/$1"
}

few_images() {
    rm -rf "$images"
    mkdir -p "$images"
    head_of train-images-idx3-ubyte 48 16 784
    head_of train-labels-idx1-ubyte 48 8 1
    head_of t10k-images-idx3-ubyte 16 16 784
    head_of t10k-labels-idx1-ubyte 16 8 1
    rm "$folder/whole"
}

arm() { qemu-aarch64 -L "$root" "$@"; }

# The checksum of the weights that a network ends with.
weights() { # network tenon...
    network=$1
    shift
    "$@" train "$network" --data "$images" --batch-size 16 --epochs 1 --threads 2 --seed 1 \
        --no-checkpoint -o "$folder/out.onnx" --json "$folder/out.json" >&2 || return 1
    sed -n 's/.*"weights_sha256": *"\([0-9a-f]\{64\}\)".*/\1/p' "$folder/out.json"
}

same_weights() { # network
    of_arm=$(weights "$1" arm "$build/tools/tenon/tenon") || return 1
    of_here=$(TENON_CPU=avx2 weights "$1" "$here") || return 1
    echo "NEON $of_arm, AVX2 $of_here"
    [ -n "$of_arm" ] && [ "$of_arm" = "$of_here" ]
}

[ -e "$root/complete" ] || fetch_libraries ||
    { echo 'skipped: the libraries for ARM could not be fetched' && exit 77; }
[ -e "$build/build.ninja" ] || configure
ninja -C "$build" tools/tenon/tenon tests/test_kernels tests/test_cpu

# shellcheck source=tests/tap.sh
. "$source/tests/tap.sh"
cd "$folder"
for name in kernels cpu; do
    status=0
    arm "$build/tests/test_$name" >log 2>&1 || status=$?
    report $status "test_$name"
done
status=0
arm "$build/tools/tenon/tenon" cpu >log && grep '^kernels *neon' log || status=$?
report $status 'the program chooses NEON'
few_images
if TENON_CPU=avx2 "$here" cpu >/dev/null 2>&1; then
    for network in lenet mnist-cnn; do
        status=0
        same_weights $network >log 2>&1 || status=$?
        report $status "the same weights of $network as with AVX2"
    done
else
    skip 'the same weights as with AVX2' 'this processor has no AVX2'
fi
finish
