-- title: Unbalanced or noted files
-- sentence: Files whose counts don't agree, and files with a note about anything unusual; the unbalanced first, then the latest.
-- unit: files
-- chart: none
-- columns: file text, logged_at time, outcome text, balanced flag, note text, total number
SELECT file_id AS file, logged_at, outcome, balanced, COALESCE(note, 'the counts do not agree') AS note,
       COUNT(*) OVER () AS total
FROM {ingest_log}
WHERE NOT balanced OR note IS NOT NULL
ORDER BY CASE WHEN NOT balanced THEN 0 ELSE 1 END, logged_at DESC, file
LIMIT 100
