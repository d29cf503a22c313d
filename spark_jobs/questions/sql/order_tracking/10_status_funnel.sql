-- title: Shipments by status
-- sentence: Shipments by their current status, and how many have reached at least that status; canceled ones are counted separately.
-- unit: shipments
-- chart: bar x=status y=shipments color=state
-- columns: status text, state text, shipments number, reached number
WITH steps AS (
  SELECT status, COUNT(*) AS shipments,
         CASE status WHEN 'order placed' THEN 1 WHEN 'pending' THEN 2 WHEN 'processing' THEN 3 WHEN 'shipped' THEN 4
                     WHEN 'in transit' THEN 5 WHEN 'delivered' THEN 6 ELSE 7 END AS step
  FROM {target}
  GROUP BY status
)
SELECT status, CASE WHEN step < 6 THEN 'open' ELSE status END AS state, shipments,
       CASE WHEN step < 7 THEN SUM(CASE WHEN step < 7 THEN shipments END) OVER (ORDER BY step DESC) END AS reached
FROM steps
ORDER BY step
