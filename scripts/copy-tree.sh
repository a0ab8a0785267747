#!/bin/sh
# Copy the files of this checkout that git does not ignore, committed or not, into an empty directory.
#
# usage: scripts/copy-tree.sh DESTINATION
#
# ansible-test wants a path that really ends in ansible_collections/selfhosted/prefect, and neither it nor
# a tarball may see environments, caches or secrets. A git directory of its own makes this work in an
# unpacked archive and for a checkout owned by someone else, too.
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
