-- title: Returning customers
-- sentence: Customers with an order in a month (UTC), new ones and those who have ordered in an earlier month; canceled orders are left out. The latest 24 months.
-- unit: customers
-- chart: bar x=month y=customers color=kind
-- columns: month date, kind text, customers number, orders number
WITH months AS (
  SELECT customer_id, CAST(date_trunc('month', to_date(ordered_at)) AS DATE) AS month, COUNT(*) AS orders
  FROM {target}
  WHERE status <> 'canceled' AND ordered_at <= :now
  GROUP BY customer_id, CAST(date_trunc('month', to_date(ordered_at)) AS DATE)
), compared AS (
  SELECT month, orders, MIN(month) OVER (PARTITION BY customer_id) AS first_month FROM months
), kinds AS (
  SELECT month, CASE WHEN month = first_month THEN 'new' ELSE 'returning' END AS kind, COUNT(*) AS customers,
         SUM(orders) AS orders
  FROM compared
  GROUP BY month, CASE WHEN month = first_month THEN 'new' ELSE 'returning' END
), numbered AS (
  SELECT month, kind, customers, orders, DENSE_RANK() OVER (ORDER BY month DESC) AS place FROM kinds
)
SELECT month, kind, customers, orders
FROM numbered
WHERE place <= 24
ORDER BY month, kind
