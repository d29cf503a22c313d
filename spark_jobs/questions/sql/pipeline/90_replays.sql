-- title: Replays
-- sentence: Files that were brought back from the archive or the rejected folder, and what they changed; the latest first.
-- unit: rows
-- chart: none
-- columns: file text, original_generation text, arrived_at time, logged_at time, outcome text, rows number, inserted number, updated number, outranked number, total number
SELECT file_id AS file, regexp_extract(file_id, '/replay/([0-9]+)/', 1) AS original_generation, arrived_at, logged_at,
       outcome, `rows`, inserted, updated, outranked, COUNT(*) OVER () AS total
FROM {ingest_log}
WHERE regexp_extract(file_id, '/replay/([0-9]+)/', 1) <> ''
ORDER BY logged_at DESC, file
LIMIT 100
