-- Spans per bucket and function, as the layer sent them. The ten functions with the most have rows of their own, and the others
-- one together, 'all others'.
SELECT one.1 AS Bucket, Name AS FunctionName, sum(one.2) AS Rows, any(Among) AS Functions
FROM
(
    SELECT
        rows,
        count() OVER () AS Among,
        if(row_number() OVER (ORDER BY spans DESC, ServiceName) <= 10, ServiceName, 'all others') AS Name
    FROM
    (
        SELECT ServiceName, sum(n) AS spans, groupArray((bucket, n)) AS rows
        FROM
        (
            SELECT
                ServiceName,
                toDateTime(intDiv(toUnixTimestamp(Timestamp), {bucket_s:UInt32}) * {bucket_s:UInt32}, 'UTC') AS bucket,
                count() AS n
            FROM otel_traces
            WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
                AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, ServiceName))
            GROUP BY ServiceName, bucket
        )
        GROUP BY ServiceName
    )
)
ARRAY JOIN rows AS one
GROUP BY Bucket, FunctionName
ORDER BY Bucket, FunctionName
