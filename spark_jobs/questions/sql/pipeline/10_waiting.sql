-- title: Waiting files
-- sentence: Files that a run has taken and not yet finished, the oldest first.
-- unit: files
-- chart: none
-- columns: file text, since time, state text, attempts number, total number
WITH noted AS (
  SELECT a.file_id, a.batch_id, a.attempted_at
  FROM {attempts} a
  WHERE NOT EXISTS (SELECT 1 FROM {ingest_log} l WHERE l.file_id = a.file_id)
), taken AS (
  SELECT file_id, attempted_at, regexp_replace(batch_id, '-[^-]*$', '') AS run
  FROM noted
  WHERE batch_id NOT LIKE 'retry-%' AND batch_id NOT LIKE 'excused-%'
    AND batch_id NOT LIKE 'unannounced-%' AND batch_id NOT LIKE 'announced-%'
), retried AS (
  SELECT file_id, MAX(attempted_at) AS requested_at FROM noted WHERE batch_id LIKE 'retry-%' GROUP BY file_id
), excused AS (
  SELECT DISTINCT file_id, substring(batch_id, 9) AS run FROM noted WHERE batch_id LIKE 'excused-%'
), counted AS (
  -- The batches of one run are one attempt. Attempts before a retry don't count, nor those that an outage ended.
  SELECT t.file_id, MIN(t.attempted_at) AS since, COUNT(*) AS attempts, MAX(r.requested_at) AS requested_at,
         COUNT(DISTINCT CASE WHEN e.run IS NULL AND (r.requested_at IS NULL OR t.attempted_at > r.requested_at)
                             THEN t.run END) AS runs
  FROM taken t
  LEFT JOIN retried r ON r.file_id = t.file_id
  LEFT JOIN excused e ON e.file_id = t.file_id AND e.run = t.run
  GROUP BY t.file_id
)
SELECT file_id AS file, since,
       CASE WHEN runs >= 2 THEN 'parked' WHEN runs = 0 AND requested_at IS NOT NULL THEN 'retry requested'
            ELSE 'taken' END AS state,
       attempts, COUNT(*) OVER () AS total
FROM counted
ORDER BY since, file
LIMIT 100
