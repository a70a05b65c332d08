#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What building, running and checking Tenon needs, installed if missing. POSIX sh.
#
#   tools/setup.sh build    what ./demo needs: compiler, build tools, libraries
#   tools/setup.sh check    the same and what only ./check uses
#   tools/setup.sh libraries
#                           prints Debian's packages of the libraries, for another architecture
#
# Looks before it installs, so a second run is silent and touches no network. Installs with apt on
# Debian and its relatives (as root or through sudo, asked for first on a terminal); elsewhere it
# lists what is missing and ends with 1.
set -eu

# need | how to see that it is there | Debian | Fedora | Arch | what for
requirements_build() {
    cat <<'TABLE'
meson|command meson|meson|meson|meson|describes the build
ninja|command ninja|ninja-build|ninja-build|ninja|runs the build
gcc|command gcc|gcc|gcc|gcc|compiles C
C library headers|compiles gcc|libc6-dev|glibc-devel|glibc|every C program needs them
pkg-config|command pkg-config|pkg-config|pkgconf-pkg-config|pkgconf|finds libraries
protoc-c|command protoc-c|protobuf-c-compiler|protobuf-c-compiler|protobuf-c|compiles onnx.proto
protobuf-c|library libprotobuf-c|libprotobuf-c-dev|protobuf-c-devel|protobuf-c|ONNX files
jansson|library jansson|libjansson-dev|jansson-devel|jansson|reads and writes JSON
hwloc|library hwloc|libhwloc-dev|hwloc-devel|hwloc|finds cores, hyper-threads and caches
libjpeg|library libjpeg|libjpeg-dev|libjpeg-turbo-devel|libjpeg-turbo|reads JPEG images
libpng|library libpng|libpng-dev|libpng-devel|libpng|reads PNG images
zlib|library zlib|zlib1g-dev|zlib-devel|zlib|reads gzipped data sets
libmd|library libmd|libmd-dev|libmd-devel|libmd|SHA-256 of weights and checkpoints
TABLE
}

requirements_check() {
    cat <<'TABLE'
cmocka|library cmocka|libcmocka-dev|libcmocka-devel|cmocka|runs the unit tests
clang|command clang|clang|clang|clang|the second compiler
libFuzzer|fuzzes clang|libclang-rt-dev|compiler-rt|compiler-rt|fuzzes the file readers
clang-format|command clang-format|clang-format|clang-tools-extra|clang|layout of the source
shellcheck|command shellcheck|shellcheck|ShellCheck|shellcheck|checks the shell scripts
qemu-x86_64|command qemu-x86_64|qemu-user|qemu-user|qemu-user|runs the tests on an old processor
qemu-aarch64|command qemu-aarch64|qemu-user|qemu-user|qemu-user|runs the NEON kernels
ARM gcc|command aarch64-linux-gnu-gcc|gcc-aarch64-linux-gnu|||compiles the NEON kernels
python3|command python3|python3|python3|python|runs the opinion of other programs on our files
onnx for Python|module onnx|python3-onnx|python3-onnx|python-onnx|checks exported ONNX files
ONNX's cases|file /usr/share/libonnx-testdata/data|libonnx-testdata|||ONNX's own tests
Fashion-MNIST|file /usr/share/datasets/fashion-mnist|dataset-fashion-mnist|||the second data set
TABLE
}

say() { printf 'setup: %s\n' "$*"; }

# Is the thing that a row of the tables asks for there?
there() {
    kind=${1%% *}
    name=${1#* }
    case $kind in
    command) command -v "$name" >/dev/null 2>&1 ;;
    library) pkg-config --exists "$name" >/dev/null 2>&1 ;;
    compiles) echo '#include <stdio.h>
                    int main(void) { return 0; }' |
        "$name" -x c -o "$scratch/compiles" - >/dev/null 2>&1 ;;
    fuzzes) echo 'int LLVMFuzzerTestOneInput(const unsigned char *data, unsigned long bytes);
                  int LLVMFuzzerTestOneInput(const unsigned char *data, unsigned long bytes)
                  { return !data && bytes; }' |
        "$name" -fsanitize=fuzzer -x c -o "$scratch/fuzzes" - >/dev/null 2>&1 ;;
    # The python3 that comes first need not be the one that Debian's packages belong to.
    module) python3 -c "import $name" >/dev/null 2>&1 ||
        /usr/bin/python3 -c "import $name" >/dev/null 2>&1 ;;
    file) [ -e "$name" ] ;;
    *) say "internal error: no way to look for '$1'" && exit 1 ;;
    esac
}

# Prints the rows of standard input whose thing is missing.
missing_rows() {
    while IFS='|' read -r need probe debian fedora arch why; do
        there "$probe" </dev/null || printf '%s\n' "$need|$probe|$debian|$fedora|$arch|$why"
    done
}

requirements() {
    requirements_build
    [ "$1" = build ] || requirements_check
}

# Column $1 of the missing rows, on one line.
column() { printf '%s\n' "$missing" | cut -d '|' -f "$1" | grep -v '^$' | sort -u | tr '\n' ' '; }

list_for_other_systems() {
    say 'this system has no apt-get; please install what is missing by its own means:'
    printf '%s\n' "$missing" | while IFS='|' read -r need _ _ _ _ why; do
        say "  $need: $why"
    done
    say "probably called on Fedora: $(column 4)"
    say "probably called on Arch:   $(column 5)"
}

# Sets $root_command to what runs a command as root ("" for root), or explains and fails.
find_root_command() {
    root_command=
    [ "$(id -u)" -ne 0 ] || return 0
    if command -v sudo >/dev/null 2>&1 && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
        root_command=sudo
        return 0
    fi
    say 'installing takes root, and there is no sudo to ask; as root, run:'
    say "  apt-get install $(column 3)"
    return 1
}

# On a terminal the user decides.
agreed() {
    [ "${CI:-}" != true ] && [ -t 0 ] && [ -t 1 ] || return 0
    printf 'setup: install %swith apt-get%s? [Y/n] ' "$(column 3)" "${root_command:+ and sudo}"
    read -r answer || answer=n
    case $answer in
    '' | [Yy]*) return 0 ;;
    *) say 'nothing was installed' && return 1 ;;
    esac
}

apt_install() {
    # Each package is a word of its own.
    # shellcheck disable=SC2046
    $root_command env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends $(column 3)
}

install_with_apt() {
    say 'these Debian packages are missing:'
    printf '%s\n' "$missing" | while IFS='|' read -r _ _ debian _ _ why; do
        say "  $debian: $why"
    done
    find_root_command && agreed || return 1
    apt_install >"$scratch/log" 2>&1 && return 0
    # No package lists yet, as in a fresh container, or lists that have grown old.
    say 'fetching the lists of packages first'
    $root_command apt-get update >"$scratch/log" 2>&1 &&
        apt_install >"$scratch/log" 2>&1 && return 0
    tail -n 20 "$scratch/log"
    say 'apt-get failed (is the network up?); its last lines are above'
    return 1
}

case ${1:-} in
build | check) what=$1 ;;
libraries)
    requirements check | awk -F '|' '$2 ~ /^library / { print $3 }'
    exit 0
    ;;
-h | --help)
    sed -n '3,12s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
*)
    echo 'usage: tools/setup.sh build|check|libraries' >&2
    exit 2
    ;;
esac

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

missing=$(requirements "$what" | missing_rows)
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
    list_for_other_systems
    exit 1
fi
install_with_apt || exit 1
missing=$(requirements "$what" | missing_rows)
if [ -n "$missing" ]; then
    say "installed, and yet these cannot be found: $(column 1)"
    exit 1
fi
say 'all that is needed is there'
