-- title: Shipments by status
-- sentence: How many shipments are in each status now.
-- unit: shipments
-- chart: bar x=status y=shipments
-- columns: status text, shipments number
SELECT status, COUNT(*) AS shipments
FROM {target}
GROUP BY status
ORDER BY CASE status
  WHEN 'order placed' THEN 1 WHEN 'pending' THEN 2 WHEN 'processing' THEN 3 WHEN 'shipped' THEN 4
  WHEN 'in transit' THEN 5 WHEN 'delivered' THEN 6 ELSE 7 END
