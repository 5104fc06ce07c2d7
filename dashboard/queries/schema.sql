-- Tables and views of the current database, with their columns.
SELECT table AS Table, name AS Column, type AS Type, comment AS Comment
FROM system.columns
WHERE database = currentDatabase() AND NOT startsWith(table, '.')
ORDER BY startsWith(table, 'lambda_') DESC, table, position
