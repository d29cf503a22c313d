-- title: Lead time
-- sentence: Days from receipt to delivery, by week of receipt (its Monday): half of the delivered shipments (median) and 90 % of them (p90) took at most this long. The latest 26 weeks.
-- unit: days
-- chart: line x=week y=days color=percentile
-- columns: week date, percentile text, days number, shipments number
WITH delivered AS (
  SELECT CAST(date_trunc('week', pck_recieved_date) AS DATE) AS week,
         unix_date(package_deliver_date) - unix_date(pck_recieved_date) AS days
  FROM {target}
  WHERE status = 'delivered' AND package_deliver_date IS NOT NULL AND pck_recieved_date <= to_date(:now)
), weeks AS (
  SELECT week, COUNT(*) AS shipments, percentile_cont(0.5) WITHIN GROUP (ORDER BY days) AS median,
         percentile_cont(0.9) WITHIN GROUP (ORDER BY days) AS p90
  FROM delivered
  GROUP BY week
  ORDER BY week DESC
  LIMIT 26
)
SELECT week, 'median' AS percentile, median AS days, shipments FROM weeks
UNION ALL
SELECT week, 'p90' AS percentile, p90 AS days, shipments FROM weeks
ORDER BY week, percentile
