-- title: Conflicting ties
-- sentence: Files with rows that share key and timestamp with a different row, so that only their content decided which one wins; the latest first.
-- unit: rows
-- chart: none
-- columns: file text, ties number, rows number, logged_at time, total number
SELECT file_id AS file, conflicting_ties AS ties, `rows`, logged_at, COUNT(*) OVER () AS total
FROM {ingest_log}
WHERE conflicting_ties > 0
ORDER BY logged_at DESC, file
LIMIT 100
