-- title: Files per day
-- sentence: Files by the day on which they were finished, and by outcome.
-- unit: files
-- chart: bar x=day y=files color=outcome
-- columns: day date, outcome text, files number, rows number
SELECT CAST(date_trunc('day', logged_at) AS DATE) AS day, outcome, COUNT(*) AS files, SUM(rows) AS `rows`
FROM {ingest_log}
GROUP BY 1, 2
ORDER BY 1, 2
