#!/bin/sh
# Write the lock files from requirements/*.in: one resolution for every platform, every file hashed. The lock files of
# Prefect are written by `make prefect-lock`.
#
# usage: scripts/lock.sh [--upgrade | --upgrade-package NAME]   versions already locked stay unless asked otherwise
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

# What hosts run is installed as root, and a source distribution runs its own code to be built: wheels only.
deployed() { # as compile
    compile "$@" --only-binary :all:
}

compile uv requirements/uv.txt 3.10 "$@"
cp requirements/uv.txt "$files/uv.txt"
compile control requirements/control.txt 3.11 "$@"
# test.in includes control.in: the constraint keeps what both hold at one version.
compile test requirements/test.txt 3.11 --constraint requirements/control.txt --constraint requirements/uv.txt "$@"
compile galaxy-importer requirements/galaxy-importer.txt 3.11 "$@"

deployed supervisor "$files/supervisor.txt" 3.10 "$@"
