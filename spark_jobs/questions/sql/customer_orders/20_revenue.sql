-- title: Revenue per day
-- sentence: Orders that were not canceled and their amount by the day of the order (UTC) and by currency, for the latest 60 days with orders.
-- unit: amount
-- chart: line x=day y=revenue color=currency
-- columns: day date, currency text, orders number, revenue number
WITH days AS (
  SELECT to_date(ordered_at) AS day, currency, COUNT(*) AS orders, SUM(order_total) AS revenue
  FROM {target}
  WHERE status <> 'canceled' AND ordered_at <= :now
  GROUP BY to_date(ordered_at), currency
), numbered AS (
  SELECT day, currency, orders, revenue, DENSE_RANK() OVER (ORDER BY day DESC) AS place,
         ROW_NUMBER() OVER (PARTITION BY day ORDER BY orders DESC, currency) AS rank_in_day
  FROM days
)
SELECT day, currency, orders, revenue
FROM numbered
WHERE place <= 60 AND rank_in_day <= 10
ORDER BY day, currency
