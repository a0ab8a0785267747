#!/bin/sh
# Print what the PgBouncer of this pod has counted, as CSV.
# usage: pooler_figures.sh USERLIST USER USER_AS_IN_THE_LIST PORT
# The password does not leave the pod: it is in the list, and psql takes it from its environment.
set -eu
entry=
while IFS= read -r line || [ -n "$line" ]; do
    case $line in "$3 "*) entry=${line#"$3 "} ;; esac
done <"$1"
entry=${entry#\"}
# A quote in it stands there twice.
PGPASSWORD=$(printf '%s' "${entry%\"}" | sed 's/""/"/g')
export PGPASSWORD PGCONNECT_TIMEOUT=5
exec psql --no-psqlrc --no-password --csv --host=127.0.0.1 "--port=$4" "--username=$2" --dbname=pgbouncer --command='SHOW STATS'
