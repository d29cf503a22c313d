-- title: Stuck shipments
-- sentence: Open shipments without an update for 7 days (stuck) or 30 days (expired), by status.
-- unit: shipments
-- chart: bar x=status y=shipments color=age
-- columns: status text, age text, shipments number, oldest_update time, example text
WITH silent AS (
  SELECT status, tracking_num, last_update_timestamp,
         CASE WHEN last_update_timestamp < :now - INTERVAL 30 DAYS THEN 'expired' ELSE 'stuck' END AS age
  FROM {target}
  WHERE status NOT IN ('delivered', 'canceled') AND last_update_timestamp < :now - INTERVAL 7 DAYS
)
SELECT status, age, COUNT(*) AS shipments, MIN(last_update_timestamp) AS oldest_update, MIN(tracking_num) AS example
FROM silent
GROUP BY status, age
ORDER BY CASE status WHEN 'order placed' THEN 1 WHEN 'pending' THEN 2 WHEN 'processing' THEN 3 WHEN 'shipped' THEN 4
                     ELSE 5 END, age
