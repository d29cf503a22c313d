-- title: Top products
-- sentence: The ten products with the largest amount in each of the ten most used currencies; canceled orders are left out.
-- unit: pieces
-- chart: bar x=product y=pieces color=currency
-- columns: currency text, place number, product_id text, product text, pieces number, amount number
WITH sold AS (
  SELECT currency, explode(items) AS item FROM {target} WHERE status <> 'canceled'
), products AS (
  SELECT currency, item.product_id AS product_id, COALESCE(MAX(item.product_name), item.product_id) AS product,
         SUM(item.quantity) AS pieces, SUM(item.quantity * item.unit_price) AS amount
  FROM sold
  GROUP BY currency, item.product_id
), currencies AS (
  SELECT currency, SUM(pieces) AS all_pieces FROM products GROUP BY currency ORDER BY all_pieces DESC, currency LIMIT 10
), numbered AS (
  SELECT p.currency, p.product_id, p.product, p.pieces, p.amount, c.all_pieces,
         ROW_NUMBER() OVER (PARTITION BY p.currency ORDER BY p.amount DESC, p.product_id) AS place
  FROM products p
  JOIN currencies c ON c.currency = p.currency
)
SELECT currency, place, product_id, product, pieces, amount
FROM numbered
WHERE place <= 10
ORDER BY all_pieces DESC, currency, place
