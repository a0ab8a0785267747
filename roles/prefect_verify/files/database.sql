SELECT
  (SELECT count(*) FROM events
   WHERE event = 'prefect.flow-run.Completed' AND resource_id = ANY (string_to_array(%(runs)s, ','))) AS persisted,
  -- Only sessions of one's own role show where they come from; younger ones may not be in PgBouncer's list yet.
  (SELECT coalesce(json_agg(json_build_object('address', host(client_addr), 'port', client_port)), '[]')
   FROM pg_stat_activity
   WHERE application_name = 'prefect-api' AND backend_start < now() - interval '10 seconds') AS api_sessions,
  (SELECT version_num FROM alembic_version) AS revision,
  current_setting('server_version') AS postgresql
