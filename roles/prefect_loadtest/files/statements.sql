SELECT queryid::text, left(query, 400) AS query, calls, total_exec_time::float8 AS milliseconds
FROM pg_stat_statements
WHERE queryid IS NOT NULL -- NULL for the statements of other roles
  AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY total_exec_time DESC
LIMIT 200
