#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes bench/peers/.venv, a Python environment with the programs that Tenon is compared with, from
# the Python package index. Neither ./demo nor the library needs it. POSIX sh.
set -eu
cd "$(dirname "$0")"
if ! python3 -m venv .venv; then
    echo 'peers: python3 has no venv module (on Debian: apt-get install python3-venv)' >&2
    exit 1
fi
.venv/bin/pip install --requirement requirements.txt
