-- title: Late updates
-- sentence: Hours from a row's timestamp to the arrival of its file, for the current rows by day of arrival (UTC), and the share of all rows that arrived older than another row of their key; without replays, for the last 90 days.
-- unit: hours
-- chart: line x=day y=hours color=percentile
-- columns: day date, percentile text, hours number, current_rows number, arrived_rows number, outranked_percent number
WITH files AS (
  SELECT file_id, arrived_at, to_date(arrived_at) AS day, `rows` - rejected_rows AS valid, outranked
  FROM {ingest_log}
  WHERE outcome = 'merged' AND arrived_at >= :now - INTERVAL 90 DAYS AND file_id NOT LIKE '%/replay/%'
), arrived AS (
  SELECT day, COALESCE(SUM(valid), 0) AS arrived_rows, 100 * SUM(outranked) / NULLIF(SUM(valid), 0) AS outranked_percent
  FROM files
  GROUP BY day
), lateness AS (
  SELECT f.day, (unix_micros(f.arrived_at) - unix_micros(t.last_update_timestamp)) / 3600000000 AS hours
  FROM {target} t
  JOIN files f ON f.file_id = t.file_id
), days AS (
  SELECT day, COUNT(*) AS current_rows, percentile_cont(0.5) WITHIN GROUP (ORDER BY hours) AS p50,
         percentile_cont(0.95) WITHIN GROUP (ORDER BY hours) AS p95
  FROM lateness
  GROUP BY day
), joined AS (
  SELECT a.day, d.p50, d.p95, COALESCE(d.current_rows, 0) AS current_rows, a.arrived_rows, a.outranked_percent
  FROM arrived a
  LEFT JOIN days d ON d.day = a.day
)
SELECT day, 'p50' AS percentile, p50 AS hours, current_rows, arrived_rows, outranked_percent FROM joined
UNION ALL
SELECT day, 'p95' AS percentile, p95 AS hours, current_rows, arrived_rows, outranked_percent FROM joined
ORDER BY day, percentile
