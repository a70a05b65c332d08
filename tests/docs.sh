#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# docs.sh: runs what README.md and docs/*.md tell their readers to run. Prints TAP.
#     tests/docs.sh BUILD_DIR
#
# The fence of a block says what it is:
#   sh              commands, run in the order of the file in a folder of that file's own, which has
#                   the tree's examples/ in it; tenon is installed, and `tenon train` is shortened
#   c               C; if the first line is a comment that begins with the name of a file, the block
#                   is a program: it is written to that file and must compile without a warning
#   console, text   not for running here: what a terminal shows, what needs the source tree or
#                   installs something
set -u

build=$(realpath "$1")
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
. "$root/tests/tap.sh"
. "$root/tests/installed.sh"
unset NO_COLOR TENON_CPU

# Writes each block of FILE to blocks/LINE.LANGUAGE, LINE being that of its fence with zeros before.
split_blocks() { # file
    rm -rf blocks && mkdir blocks
    awk '/^ *```/ {
             if (out) { close(out); out = ""; next }
             language = $0
             sub(/^ *```/, "", language)
             if (language !~ /^[a-z]*$/) language = "unknown"
             out = sprintf("blocks/%05d.%s", NR, language == "" ? "unmarked" : language)
             printf "" > out
             next
         }
         out { print > out }' "$1"
}

# The file that a block of C says it is; nothing if it does not.
name_of_program() { # block
    sed -nE '1s|^/\* ([A-Za-z0-9_]+\.c)( \*/\|:.*)$|\1|p' "$1"
}

fashion_mnist_is_here() {
    [ -d /usr/share/datasets/fashion-mnist ] || [ -d "$TENON_DATA/fashion-mnist" ]
}

run_commands() { # block name
    if grep -q 'fashion-mnist' "$1" && ! fashion_mnist_is_here; then
        skip "$2" 'Fashion-MNIST is not installed'
        return
    fi
    (cd here && timeout 600 sh -ex "$1") >log 2>&1 </dev/null
    report $? "$2"
}

write_program() { # block name
    program=$(name_of_program "$1")
    [ -n "$program" ] || return
    cp "$1" "here/$program"
    # shellcheck disable=SC2046
    ${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only "here/$program" \
        $(pkg-config --cflags tenon) >log 2>&1
    report $? "$2 $program compiles without a warning"
}

# All blocks of a file in order, in a fresh folder.
test_file() { # file
    split_blocks "$root/$1"
    rm -rf here && mkdir here && ln -s "$root/examples" here/examples
    unmarked=
    for block in "$work"/blocks/*; do
        line=$(basename "$block" | sed 's/^0*\([0-9]*\)\..*/\1/')
        case $block in
        *.sh) run_commands "$block" "$1:$line" ;;
        *.c) write_program "$block" "$1:$line" ;;
        *.unmarked) unmarked="$unmarked $line" ;;
        esac
    done
    [ -z "$unmarked" ] ||
        echo "say what the blocks at these lines are, as tests/docs.sh explains:$unmarked" >log
    [ -z "$unmarked" ]
    report $? "$1 says of each block what it is"
}

# A tenon before the installed one, for which a few images and one epoch are enough.
shorten_training() {
    tenon=$(find "$work/root" -path '*/bin/tenon')
    mkdir bin
    cat >bin/tenon <<EOF
#!/bin/sh
if [ "\${1:-}" = train ]; then
    # A folder of pictures that a document makes is small as it is.
    case " \$* " in
    *' --limit'[\ =]* | *' --data pictures '*) ;;
    *) set -- "\$@" --limit 256 ;;
    esac
    case " \$* " in *' --epochs'[\ =]*) ;; *) set -- "\$@" --epochs 1 ;; esac
fi
exec "$tenon" "\$@"
EOF
    chmod +x bin/tenon
    PATH=$work/bin:$PATH
}

install_build "$build" "$work/root" >log 2>&1
report $? 'meson install'
shorten_training
for file in "$root/README.md" "$root"/docs/*.md; do
    test_file "${file#"$root"/}"
done
finish
