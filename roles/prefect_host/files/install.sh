#!/bin/sh
# Build a virtual environment from a lock file.
#
# usage: install.sh LIST MARKER
#
# LIST stands beside this script. MARKER is the file that says the environment around it is complete;
# an environment without its marker is built anew, so an interrupted run is finished by the next one.
#
# This runs as root, and root alone may change what it makes. So nothing of a package runs here: wheels only, each with
# a hash of the list, and they are compiled by a Python that does not look at them.
set -eu
umask 022

list=$1
marker=$2
pinned=$(cd "$(dirname "$0")" && pwd)
venv=$(dirname "$marker")
uv_venv="$(dirname "$venv")/uv"
cd "$pinned" # uv and pip read settings of the current directory

# The installation of an interrupted run goes on; this one waits for it, and then has nothing to do. Whoever can open a
# lock can hold it for ever, so that is root alone.
umask 077
mkdir -p "$pinned/locks"
chmod 0700 "$pinned/locks"
exec 9>"$pinned/locks/install"
chmod 0600 "$pinned/locks/install"
umask 022
rm -f "$pinned/lock" # of former versions, for everybody to open
flock 9
[ ! -e "$marker" ] || exit 0

if [ ! -e "$uv_venv/complete" ]; then
    /usr/bin/python3 -I -m venv --clear "$uv_venv"
    "$uv_venv/bin/python" -I -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
        -r "$pinned/uv.txt"
    touch "$uv_venv/complete"
fi

# The list is complete (every dependency of every package), so nothing is left to resolve.
export UV_PYTHON_DOWNLOADS=never
# Trust whom the machine trusts, as pip does: a company's certificate authority, for example.
export UV_SYSTEM_CERTS=true
"$uv_venv/bin/uv" venv --quiet --clear --python /usr/bin/python3 "$venv"
VIRTUAL_ENV="$venv" "$uv_venv/bin/uv" pip install --quiet --no-deps --require-hashes --only-binary :all: -r "$pinned/$list"
rm -f "$venv/.lock" # uv leaves it behind, writable for everybody
# The accounts that run the programs cannot write here and would compile at every start. uv could compile, too, but
# starts the environment's own Python for it, which runs what the packages' .pth files say. A file for another version of
# Python does not compile, and nobody imports it.
find "$venv/lib" -name '*.py' -print0 | xargs -0 -n 500 -P "$(nproc)" /usr/bin/python3 -I -S -c '
import py_compile, sys
for path in sys.argv[1:]:
    py_compile.compile(path, quiet=2)'
if [ -e "$venv/bin/prefect" ]; then
    /usr/bin/python3 -I "$pinned/schema_revisions.py" "$venv" >"$venv/schema-revisions.json"
fi
# uv leaves a file that everybody may write.
rm -f "$venv/.lock"
touch "$marker"
