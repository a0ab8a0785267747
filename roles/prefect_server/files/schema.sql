SELECT
  -- query_to_xml plans its query at run time, so the table does not have to exist.
  CASE WHEN to_regclass('alembic_version') IS NOT NULL THEN
    (xpath('/row/version_num/text()', query_to_xml('SELECT version_num FROM alembic_version', false, true, '')))[1]::text
  END AS revision,
  obj_description(to_regclass('block_type'), 'pg_class') AS block_types,
  coalesce((SELECT array_agg(relname ORDER BY relname) FROM pg_class
   WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND relname = ANY (string_to_array(%(tables)s, ','))
     AND NOT coalesce(reloptions, '{}') @> string_to_array(%(options)s, ',')), '{}') AS untuned,
  current_setting('server_version_num')::int AS postgresql
