#!/bin/sh
# Copy the files of this checkout that git does not ignore, committed or not, into an empty directory.
#
# usage: scripts/copy-tree.sh DESTINATION
#
# ansible-test requires a real path that ends in ansible_collections/selfhosted/prefect. Neither this path nor a tarball
# may contain environments, caches or secrets. The separate git directory is needed for an unpacked archive, and for a
# checkout of another account.
set -eu

destination=${1:?usage: scripts/copy-tree.sh DESTINATION}
mkdir -p "$destination"
cd "$(dirname "$0")/.."

git_dir=$(mktemp -d)
trap 'rm -rf "$git_dir"' EXIT
git init --quiet --bare "$git_dir"
git --git-dir="$git_dir" --work-tree=. ls-files -z --others --exclude-standard >"$git_dir/files"
tar --create --null --no-recursion --ignore-failed-read --files-from="$git_dir/files" |
    tar --extract --no-same-owner --directory="$destination"
