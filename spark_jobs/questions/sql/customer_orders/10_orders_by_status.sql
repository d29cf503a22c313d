-- title: Orders by status
-- sentence: Orders and what their customers pay, by status; amounts of different currencies are never added.
-- unit: orders
-- chart: bar x=status y=orders color=currency
-- columns: status text, currency text, orders number, amount number, total number
SELECT status, currency, COUNT(*) AS orders, SUM(order_total) AS amount, COUNT(*) OVER () AS total
FROM {target}
GROUP BY status, currency
ORDER BY CASE status WHEN 'pending' THEN 1 WHEN 'processing' THEN 2 WHEN 'shipped' THEN 3 WHEN 'delivered' THEN 4
                     ELSE 5 END, orders DESC, currency
LIMIT 200
