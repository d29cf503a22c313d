-- title: Payments
-- sentence: Orders by the status of their payment and by currency; canceled orders are left out unless they are paid for.
-- unit: orders
-- chart: bar x=payment_status y=orders color=currency
-- columns: payment_status text, currency text, orders number, amount number, canceled_orders number, total number
SELECT payment_status, currency, COUNT(*) AS orders, SUM(order_total) AS amount,
       COUNT(CASE WHEN status = 'canceled' THEN 1 END) AS canceled_orders, COUNT(*) OVER () AS total
FROM {target}
WHERE status <> 'canceled' OR payment_status IN ('authorized', 'paid')
GROUP BY payment_status, currency
ORDER BY CASE payment_status WHEN 'failed' THEN 1 WHEN 'pending' THEN 2 WHEN 'authorized' THEN 3 WHEN 'paid' THEN 4
                             ELSE 5 END, orders DESC, currency
LIMIT 200
