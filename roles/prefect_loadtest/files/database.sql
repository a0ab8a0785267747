SELECT
  (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) AS connections,
  current_setting('max_connections')::int AS max_connections,
  xact_commit + xact_rollback AS transactions,
  blks_read AS blocks_read,
  blks_hit AS blocks_hit,
  deadlocks,
  (pg_current_wal_lsn() - '0/0')::float8 AS wal_bytes,
  pg_database_size(current_database()) AS size_bytes,
  EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_stat_statements') AS counts_statements
FROM pg_stat_database
WHERE datname = current_database()
