#!/bin/sh
# Make .venv from a lock file, and put this checkout on the collections path.
#
# usage: scripts/bootstrap.sh control|test
#
# Needs python3 and, only where python3 cannot make virtual environments or is older than 3.11,
# root or sudo once for the distribution's own packages. Doing it again costs a few milliseconds.
set -eu

lock_name=${1:?usage: scripts/bootstrap.sh control|test}
root=$(cd "$(dirname "$0")/.." && pwd)
lock="$root/requirements/$lock_name.txt"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/selfhosted-prefect"

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# A python that is new enough for ansible-core and has the venv module with pip inside.
usable_python() {
    for candidate in python3 python3.13 python3.12 python3.11 /usr/bin/python3; do
        if "$candidate" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

install_python() {
    if ! command -v apt-get >/dev/null; then
        echo "bootstrap: needs Python 3.11 or newer with its venv module: install them and run again." >&2
        exit 1
    fi
    if python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        packages=python3-venv
    else
        packages="python3.11 python3.11-venv" # Ubuntu 22.04 ships 3.10 as python3
    fi
    echo "bootstrap: installing $packages"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    # shellcheck disable=SC2086 # a list of package names
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $packages ca-certificates >/dev/null
}

# uv builds the environment in seconds; its own version is locked like everything else.
install_uv() {
    uv_home="$cache/uv-$(cksum <"$root/requirements/uv.txt" | cut -d' ' -f1)"
    uv="$uv_home/bin/uv"
    if [ ! -x "$uv" ]; then
        rm -rf "$uv_home"
        "$python" -m venv "$uv_home"
        "$uv_home/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
            -r "$root/requirements/uv.txt"
    fi
}

# One stamp per environment: which lock file filled it, and where it stood then.
want="$lock_name $(cksum <"$lock" | cut -d' ' -f1) $root"
# An environment made for `make test` holds everything that `make site` needs.
also="test $(cksum <"$root/requirements/test.txt" | cut -d' ' -f1) $root"
have=$(cat "$root/.venv/.lock-stamp" 2>/dev/null || true)
if [ "$have" != "$want" ] && [ "$have" != "$also" ]; then
    python=$(usable_python) || {
        install_python
        python=$(usable_python)
    }
    install_uv
    case "$have" in *" $root") ;; *) "$uv" venv --quiet --clear --python "$python" "$root/.venv" ;; esac
    rm -f "$root/.venv/.lock-stamp"
    echo "bootstrap: .venv from requirements/$lock_name.txt"
    VIRTUAL_ENV="$root/.venv" "$uv" pip sync --quiet --require-hashes "$lock"
    echo "$want" >"$root/.venv/.lock-stamp"
fi

link="$root/.collections/ansible_collections/selfhosted/prefect"
if [ ! -e "$link" ]; then
    mkdir -p "$(dirname "$link")"
    ln -sfn ../../.. "$link"
fi
