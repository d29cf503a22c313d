-- title: Bad rows
-- sentence: Quarantined rows by the rule that they break and by column, for the last 90 days.
-- unit: rows
-- chart: bar x=column y=rows color=code
-- columns: code text, column text, rows number, files number, latest time, example text
WITH broken AS (
  SELECT file_id, rejected_at, explode(violations) AS violation
  FROM {rejected_rows}
  WHERE rejected_at >= :now - INTERVAL 90 DAYS
)
SELECT violation.code AS code, COALESCE(violation.`column`, 'the whole row') AS `column`, COUNT(*) AS `rows`,
       COUNT(DISTINCT file_id) AS files, MAX(rejected_at) AS latest, MIN(violation.message) AS example
FROM broken
GROUP BY violation.code, COALESCE(violation.`column`, 'the whole row')
ORDER BY `rows` DESC, code, `column`
LIMIT 100
