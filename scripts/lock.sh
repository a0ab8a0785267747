#!/bin/sh
# Write requirements/*.txt from requirements/*.in: one resolution for every platform, every file hashed.
#
# usage: scripts/lock.sh [--upgrade | --upgrade-package NAME]   versions already locked stay unless asked otherwise
set -eu

cd "$(dirname "$0")/.."
scripts/bootstrap.sh test
export UV_CUSTOM_COMPILE_COMMAND="make lock"

compile() {
    name=$1
    shift
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        "requirements/$name.in" --output-file "requirements/$name.txt" "$@"
}

compile uv "$@"
compile control "$@"
# test.in includes control.in: the constraint keeps what both hold at one version.
compile test --constraint requirements/control.txt --constraint requirements/uv.txt "$@"
