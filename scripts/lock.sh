#!/bin/sh
# Write the lock files from requirements/*.in, with one resolution for all platforms and a hash for every file.
# `make prefect-lock` writes the lock files of Prefect.
#
# usage: scripts/lock.sh [--upgrade | --upgrade-package NAME]   without an option, locked versions stay
set -eu

cd "$(dirname "$0")/.."
scripts/bootstrap.sh test
export UV_CUSTOM_COMPILE_COMMAND="make lock"
files=roles/prefect_host/files

compile() { # NAME OUTPUT OLDEST-PYTHON OPTIONS...
    name=$1 output=$2 python=$3
    shift 3
    .venv/bin/uv pip compile --quiet --universal --python-version "$python" --generate-hashes \
        "requirements/$name.in" --output-file "$output" "$@"
}

# Only wheels, because root installs these packages on hosts, and the build of a source distribution executes its code.
deployed() { # as compile
    compile "$@" --only-binary :all:
}

compile uv requirements/uv.txt 3.10 "$@"
cp requirements/uv.txt "$files/uv.txt"
compile control requirements/control.txt 3.11 "$@"
# test.in includes control.in. The constraint ensures the same versions in both.
compile test requirements/test.txt 3.11 --constraint requirements/control.txt --constraint requirements/uv.txt "$@"
compile galaxy-importer requirements/galaxy-importer.txt 3.11 "$@"

deployed supervisor "$files/supervisor.txt" 3.10 "$@"
