-- title: Files taken more than once
-- sentence: Files that several batches took, because a run failed or was killed, the latest first.
-- unit: files
-- chart: none
-- columns: file text, attempts number, first_taken time, last_taken time, outcome text, total number
WITH taken AS (
  SELECT file_id, COUNT(*) AS attempts, MIN(attempted_at) AS first_taken, MAX(attempted_at) AS last_taken
  FROM {attempts}
  WHERE batch_id NOT LIKE 'retry-%' AND batch_id NOT LIKE 'excused-%'
    AND batch_id NOT LIKE 'unannounced-%' AND batch_id NOT LIKE 'announced-%'
  GROUP BY file_id
  HAVING COUNT(*) > 1
)
SELECT t.file_id AS file, t.attempts, t.first_taken, t.last_taken, COALESCE(l.outcome, 'waiting') AS outcome,
       COUNT(*) OVER () AS total
FROM taken t
LEFT JOIN {ingest_log} l ON l.file_id = t.file_id
ORDER BY t.last_taken DESC, file
LIMIT 100
