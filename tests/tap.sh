# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# tap.sh: what test scripts print, in TAP; sourced by them. A failed case shows the end of the files
# out, err and log of the current folder, where the scripts keep what commands have printed.

tap_cases=0
tap_failed=0

# report STATUS NAME: one case, which has passed if STATUS is 0.
report() {
    tap_cases=$((tap_cases + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $tap_cases - $2"
    else
        tap_failed=$((tap_failed + 1))
        echo "not ok $tap_cases - $2"
        cat out err log 2>/dev/null | tail -n 40 | sed 's/^/# /'
    fi
}

# skip NAME REASON
skip() {
    tap_cases=$((tap_cases + 1))
    echo "ok $tap_cases - $1 # SKIP $2"
}

# The last line; true if no case has failed.
finish() {
    echo "1..$tap_cases"
    [ "$tap_failed" -eq 0 ]
}
