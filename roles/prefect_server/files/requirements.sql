-- Problems that prevent Prefect's migrations in this database, one row for each. Changes nothing.
WITH me AS (
  SELECT quote_ident(rolname) AS login, quote_ident(current_database()) AS place, rolsuper AS is_superuser
  FROM pg_roles WHERE rolname = current_user
)
SELECT 'prefect_database_user' AS option,
  'The role ' || login || ' is not allowed to create tables in the database ' || place || '.' AS problem,
  'Run as an administrator: ALTER DATABASE ' || place || ' OWNER TO ' || login
    || '. If this is not sufficient, run in this database: GRANT USAGE, CREATE ON SCHEMA public TO ' || login || '.' AS remedy
FROM me
WHERE NOT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)
UNION ALL
SELECT 'prefect_database_host',
  'This PostgreSQL does not have the extension pg_trgm, which Prefect needs.',
  'Install it on the host of PostgreSQL (postgresql-contrib), or allow it in the settings of the managed service.'
FROM me
WHERE NOT EXISTS (SELECT 1 FROM pg_extension e WHERE e.extname = 'pg_trgm')
  AND NOT EXISTS (SELECT 1 FROM pg_available_extensions a WHERE a.name = 'pg_trgm')
UNION ALL
SELECT 'prefect_database_user',
  'The database ' || place || ' does not have the extension pg_trgm, and the role ' || login || ' is not allowed to create it.',
  'Run as an administrator in this database: CREATE EXTENSION pg_trgm. Alternatively, set '
    || 'prefect_database_admin_user and prefect_database_admin_password: database.yml then creates it.'
FROM me
WHERE NOT EXISTS (SELECT 1 FROM pg_extension e WHERE e.extname = 'pg_trgm')
  AND EXISTS (SELECT 1 FROM pg_available_extensions a WHERE a.name = 'pg_trgm')
  AND NOT is_superuser
  -- A role that can create objects in a database can also create a trusted extension there.
  AND NOT (
    has_database_privilege(current_database(), 'CREATE')
    AND EXISTS (
      SELECT 1 FROM pg_available_extension_versions v WHERE v.name = 'pg_trgm' AND (v.trusted OR NOT v.superuser)
    )
  )
