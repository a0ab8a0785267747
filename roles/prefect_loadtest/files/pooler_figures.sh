#!/bin/sh
# Print the counters of the PgBouncer of this pod as CSV.
# usage: pooler_figures.sh USERLIST USER USER_AS_IN_THE_LIST PORT
# The password does not leave the pod: the script reads it from the list, and psql reads it from its environment.
set -eu
entry=
while IFS= read -r line || [ -n "$line" ]; do
    case $line in "$3 "*) entry=${line#"$3 "} ;; esac
done <"$1"
entry=${entry#\"}
# The list contains each quote of the password twice.
PGPASSWORD=$(printf '%s' "${entry%\"}" | sed 's/""/"/g')
export PGPASSWORD PGCONNECT_TIMEOUT=5
exec psql --no-psqlrc --no-password --csv --host=127.0.0.1 "--port=$4" "--username=$2" --dbname=pgbouncer --command='SHOW STATS'
