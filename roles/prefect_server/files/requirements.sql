-- What keeps Prefect's migrations from working in this database, one row each. Only reads.
WITH me AS (
  SELECT quote_ident(rolname) AS login, quote_ident(current_database()) AS place, rolsuper AS is_superuser
  FROM pg_roles WHERE rolname = current_user
)
SELECT 'prefect_database_user' AS option,
  'The role ' || login || ' may not create tables in the database ' || place || '.' AS problem,
  'As an administrator there: ALTER DATABASE ' || place || ' OWNER TO ' || login
    || '; where that is not enough, in that database: GRANT USAGE, CREATE ON SCHEMA public TO ' || login || '.' AS remedy
FROM me
WHERE NOT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)
UNION ALL
SELECT 'prefect_database_host',
  'PostgreSQL there does not have the extension pg_trgm, which Prefect needs.',
  'Install it where PostgreSQL runs (postgresql-contrib), or allow it in the settings of the managed service.'
FROM me
WHERE NOT EXISTS (SELECT 1 FROM pg_extension e WHERE e.extname = 'pg_trgm')
  AND NOT EXISTS (SELECT 1 FROM pg_available_extensions a WHERE a.name = 'pg_trgm')
UNION ALL
SELECT 'prefect_database_user',
  'The database ' || place || ' does not have the extension pg_trgm, and the role ' || login || ' may not create it.',
  'As an administrator, in that database: CREATE EXTENSION pg_trgm. Or set prefect_database_admin_user and '
    || 'prefect_database_admin_password, and database.yml does it.'
FROM me
WHERE NOT EXISTS (SELECT 1 FROM pg_extension e WHERE e.extname = 'pg_trgm')
  AND EXISTS (SELECT 1 FROM pg_available_extensions a WHERE a.name = 'pg_trgm')
  AND NOT is_superuser
  -- Who may create things in a database may create a trusted extension there.
  AND NOT (
    has_database_privilege(current_database(), 'CREATE')
    AND EXISTS (
      SELECT 1 FROM pg_available_extension_versions v WHERE v.name = 'pg_trgm' AND (v.trusted OR NOT v.superuser)
    )
  )
