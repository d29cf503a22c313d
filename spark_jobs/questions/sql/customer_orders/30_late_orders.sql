-- title: Late orders
-- sentence: Orders against the day on which delivery is expected. A delivered order counts by its last update; canceled ones are left out.
-- unit: orders
-- chart: bar x=state y=orders
-- columns: state text, orders number, median_days_late number, most_days_late number, example text
WITH judged AS (
  SELECT order_id, status,
         unix_date(to_date(CASE WHEN status = 'delivered' THEN last_update_timestamp ELSE :now END))
           - unix_date(expected_delivery_date) AS days_late
  FROM {target}
  WHERE status <> 'canceled'
), named AS (
  SELECT order_id, CASE WHEN days_late > 0 THEN days_late END AS days_late,
         CASE WHEN days_late IS NULL THEN 'no date expected'
              WHEN status = 'delivered' AND days_late > 0 THEN 'delivered late'
              WHEN status = 'delivered' THEN 'delivered in time'
              WHEN days_late > 0 THEN 'open and late' ELSE 'open and in time' END AS state
  FROM judged
)
SELECT state, COUNT(*) AS orders, percentile_cont(0.5) WITHIN GROUP (ORDER BY days_late) AS median_days_late,
       MAX(days_late) AS most_days_late, MIN(order_id) AS example
FROM named
GROUP BY state
ORDER BY CASE state WHEN 'open and late' THEN 1 WHEN 'delivered late' THEN 2 WHEN 'open and in time' THEN 3
                    WHEN 'delivered in time' THEN 4 ELSE 5 END
