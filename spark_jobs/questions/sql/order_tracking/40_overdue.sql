-- title: Overdue or contradictory shipments
-- sentence: Shipments whose delivery date has passed although they are open, and delivered ones without a date.
-- unit: shipments
-- chart: bar x=status y=shipments color=problem
-- columns: problem text, status text, shipments number, earliest_date date, example text
WITH wrong AS (
  SELECT status, tracking_num, package_deliver_date,
         CASE WHEN status = 'delivered' THEN 'delivered, no date' ELSE 'date has passed, open' END AS problem
  FROM {target}
  WHERE (status = 'delivered' AND package_deliver_date IS NULL)
     OR (status NOT IN ('delivered', 'canceled') AND package_deliver_date < to_date(:now))
)
SELECT problem, status, COUNT(*) AS shipments, MIN(package_deliver_date) AS earliest_date, MIN(tracking_num) AS example
FROM wrong
GROUP BY problem, status
ORDER BY problem, shipments DESC, status
