-- title: Changes of status
-- sentence: Updates that won in the last 7 days, by the status before and after them; those that moved a shipment backwards come first.
-- unit: updates
-- chart: heatmap x=to_status y=from_status color=updates
-- columns: from_status text, to_status text, direction text, updates number, latest time
WITH changes AS (
  SELECT tracking_num, _commit_version, MAX(_commit_timestamp) AS changed_at,
         MAX(CASE WHEN _change_type = 'update_preimage' THEN status END) AS from_status,
         MAX(CASE WHEN _change_type = 'update_postimage' THEN status END) AS to_status
  FROM table_changes('{target}', :changes_since)
  WHERE _change_type IN ('update_preimage', 'update_postimage')
  GROUP BY tracking_num, _commit_version
), steps AS (
  SELECT * FROM (VALUES ('order placed', 1), ('pending', 2), ('processing', 3), ('shipped', 4), ('in transit', 5),
                        ('delivered', 6), ('canceled', 7)) AS listed (status, step)
)
SELECT c.from_status, c.to_status,
       CASE WHEN t.step < f.step THEN 'backwards' WHEN t.step = f.step THEN 'unchanged' ELSE 'forwards' END AS direction,
       COUNT(*) AS updates, MAX(c.changed_at) AS latest
FROM changes c
JOIN steps f ON f.status = c.from_status
JOIN steps t ON t.status = c.to_status
GROUP BY c.from_status, c.to_status, f.step, t.step
ORDER BY CASE WHEN t.step < f.step THEN 0 ELSE 1 END, f.step, t.step
