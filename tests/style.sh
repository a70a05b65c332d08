#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The form of the source: layout, licence lines, width, shell scripts, nothing generated in the
# tree. Prints TAP; POSIX sh.
set -u
cd "$(dirname "$0")/.." || exit 1

n=0
failed=0

# Reports one case: its name, and the lines that speak against it ("" if none).
report() {
    n=$((n + 1))
    if [ -z "$2" ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        printf '%s\n' "$2" | sed 's/^/# /'
        failed=1
    fi
}

skip() {
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}

# The files of the project; in a source archive without git, all but the build folders.
files() {
    if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        git ls-files --cached --others --exclude-standard
    else
        find . -path './build*' -prune -o -path ./bench/peers/.venv -prune -o -type f -print |
            sed 's|^\./||'
    fi | sort -u | while IFS= read -r file; do
        # Deleted, and not yet committed as such.
        [ -f "$file" ] && printf '%s\n' "$file"
    done
}

c_files() { files | grep -E '\.[ch]$'; }
scripts() { files | grep -E '\.sh$|^(demo|check|\.ci/run)$'; }
sources() {
    {
        files | grep -E '\.([ch]|py|sh|proto)$|(^|/)meson(_options)?\.(build|txt)$'
        scripts
    } | sort -u
}

layout() {
    version=$(clang-format --version 2>/dev/null | sed -n 's/.*version \([0-9]*\).*/\1/p')
    if [ "$version" != 14 ]; then
        skip 'clang-format changes nothing' "versions differ in detail, and this is not 14"
        return
    fi
    report 'clang-format changes nothing' \
        "$(c_files | xargs -d '\n' clang-format --dry-run -Werror 2>&1 |
            grep 'error:' | head -n 20)"
}

licences() {
    report 'every source file names its licence in the first two lines' \
        "$(sources | while IFS= read -r file; do
            head -n 2 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' || echo "$file"
        done)"
}

width() {
    report 'no line is wider than 100 columns' \
        "$(sources | LC_ALL=C.UTF-8 xargs -d '\n' grep -nHE '^.{101,}' | cut -c -80 | head -n 20)"
}

whitespace() {
    report 'no tabs and no blanks at the end of a line' \
        "$(sources | xargs -d '\n' grep -nHP '\t|[[:blank:]]$' | cut -c -80 | head -n 20)"
}

generated() {
    objects='\.(o|a|so|d|gcda|gcno|pyc|profraw)$|\.so\.[0-9]'
    sources='\.pb-c\.[ch]$|(^|/)(config\.h|compile_commands\.json|build\.ninja)$'
    report 'no generated file is in the tree' "$(files | grep -E "$objects|$sources")"
}

shell() {
    if command -v shellcheck >/dev/null 2>&1; then
        report 'shellcheck finds nothing' \
            "$(scripts | xargs -d '\n' shellcheck --severity=warning -f gcc 2>&1)"
    else
        skip 'shellcheck finds nothing' 'there is no shellcheck'
    fi
}

layout
licences
width
whitespace
generated
shell
echo "1..$n"
exit $failed
