-- title: Rejected files
-- sentence: Files that a run or an operator rejected, by reason, with the latest of them as an example.
-- unit: files
-- chart: bar x=reason y=files
-- columns: reason text, files number, latest time, file text
WITH rejected AS (
  -- A reason begins with the code of the violation, and an operator's own words don't.
  SELECT file_id, logged_at, regexp_replace(reason, '^[a-z_]+: ', '') AS reason,
         CASE WHEN regexp_extract(reason, '^([a-z_]+): ', 1) <> '' THEN regexp_extract(reason, '^([a-z_]+): ', 1)
              ELSE COALESCE(reason, '') END AS code
  FROM {ingest_log}
  WHERE outcome = 'rejected'
), numbered AS (
  SELECT reason, file_id, logged_at, COUNT(*) OVER (PARTITION BY code) AS files,
         ROW_NUMBER() OVER (PARTITION BY code ORDER BY logged_at DESC, file_id) AS place
  FROM rejected
)
SELECT COALESCE(reason, 'no reason given') AS reason, files, logged_at AS latest, file_id AS file
FROM numbered
WHERE place = 1
ORDER BY files DESC, reason
LIMIT 50
