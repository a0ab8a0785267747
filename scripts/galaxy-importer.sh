#!/bin/sh
# Check a tarball as Galaxy does after an upload. Fails on every error and warning of Galaxy.
#
# usage: scripts/galaxy-importer.sh TARBALL
set -eu

tarball=$(realpath "${1:?usage: scripts/galaxy-importer.sh TARBALL}")
cd "$(dirname "$0")/.."
lock=requirements/galaxy-importer.txt
uv=.venv/bin/uv
cache="${XDG_CACHE_HOME:-$HOME/.cache}/selfhosted-prefect"
environment="$cache/galaxy-importer-$(cksum <"$lock" | cut -d' ' -f1)"
export UV_SYSTEM_CERTS=true # use the CA certificates of the host, as pip does

# A separate environment, because galaxy-importer requires older packages than the tests.
mkdir -p "$cache"
exec 9>"$cache/galaxy-importer.lock"
flock 9
if [ ! -e "$environment/.complete" ]; then
    "$uv" venv --quiet --clear --python .venv/bin/python "$environment"
    VIRTUAL_ENV="$environment" "$uv" pip sync --quiet --require-hashes "$lock"
    touch "$environment/.complete"
fi
exec 9>&-

# The importer runs ansible-lint without the collections that galaxy.yml depends on, so it would report existing modules
# as missing. `make lint` runs ansible-lint with the same profile and with these collections.
export GALAXY_IMPORTER_RUN_ANSIBLE_LINT=false
directory=$(mktemp -d) # for the result and for the cache of ansible-doc
trap 'rm -rf "$directory"' EXIT
export HOME="$directory" PATH="$environment/bin:$PATH"
unset ANSIBLE_COLLECTIONS_PATH ANSIBLE_HOME ANSIBLE_CONFIG
cd "$directory"
if ! python -m galaxy_importer.main "$tarball" >log 2>&1 || [ ! -s importer_result.json ] || grep -qE '^(WARNING|ERROR|CRITICAL)' log; then
    cat log >&2
    exit 1
fi
grep -v '^Loading ' log
