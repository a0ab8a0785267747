#!/bin/sh
# Build the collection's tarball from the files that git does not ignore, minus `build_ignore` of galaxy.yml.
#
# usage: scripts/build.sh DIRECTORY
set -eu

output=${1:?usage: scripts/build.sh DIRECTORY}
root=$(cd "$(dirname "$0")/.." && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
"$root/scripts/copy-tree.sh" "$tree"
"$root/.venv/bin/ansible-galaxy" collection build --force --output-path "$output" "$tree"
