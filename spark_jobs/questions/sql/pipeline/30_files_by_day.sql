-- title: Files per day
-- sentence: Files and rows by the day (UTC) on which they were finished and by outcome, for the last 90 days.
-- unit: files
-- chart: bar x=day y=files color=outcome
-- columns: day date, outcome text, files number, rows number, rejected_rows number
SELECT to_date(logged_at) AS day, outcome, COUNT(*) AS files,
       COALESCE(SUM(`rows`), 0) AS `rows`, COALESCE(SUM(rejected_rows), 0) AS rejected_rows
FROM {ingest_log}
WHERE logged_at >= :now - INTERVAL 90 DAYS
GROUP BY to_date(logged_at), outcome
ORDER BY day, outcome
