-- title: Seconds from arrival to merged
-- sentence: Half of a day's files (p50) and 95 % of them (p95) were merged within this time after they arrived, without replays, for the last 90 days (UTC).
-- unit: seconds
-- chart: line x=day y=seconds color=percentile
-- columns: day date, percentile text, seconds number, files number
WITH merged AS (
  SELECT to_date(logged_at) AS day, (unix_micros(logged_at) - unix_micros(arrived_at)) / 1000000 AS seconds
  FROM {ingest_log}
  WHERE outcome = 'merged' AND logged_at >= :now - INTERVAL 90 DAYS
    AND file_id NOT LIKE '%/replay/%' -- these keep the time of their first arrival
), days AS (
  SELECT day, COUNT(*) AS files, percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS p50,
         percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) AS p95
  FROM merged
  GROUP BY day
)
SELECT day, 'p50' AS percentile, p50 AS seconds, files FROM days
UNION ALL
SELECT day, 'p95' AS percentile, p95 AS seconds, files FROM days
ORDER BY day, percentile
