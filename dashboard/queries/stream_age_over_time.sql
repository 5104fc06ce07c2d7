-- The highest age of records per bucket and consumer. A bucket in which the mapping did not invoke has none.
SELECT
    toDateTime(intDiv(toUnixTimestamp(Time), {bucket_s:UInt32}) * {bucket_s:UInt32}, 'UTC') AS Bucket,
    Dimensions['FunctionName'] AS FunctionName,
    max(Max) AS AgeMs
FROM lambda_metrics
WHERE MetricName = 'IteratorAge' AND Namespace = 'AWS/Lambda' AND DimensionSet = 'FunctionName' AND PeriodS = 60
    AND Time >= {from:DateTime64(3, 'UTC')} AND Time < {to:DateTime64(3, 'UTC')}
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY Bucket, FunctionName
ORDER BY Bucket, FunctionName
