-- Claimed and busy concurrency of each account and region per bucket, as CloudWatch has them.
SELECT
    toDateTime(intDiv(toUnixTimestamp(Time), {bucket_s:UInt32}) * {bucket_s:UInt32}, 'UTC') AS Bucket,
    concat(AccountId, '/', Region, transform(MetricName,
        ['ClaimedAccountConcurrency', 'ConcurrentExecutions'], [' claimed', ' busy'], '')) AS FunctionName,
    max(Max) AS Highest
FROM lambda_metrics
WHERE MetricName IN ('ClaimedAccountConcurrency', 'ConcurrentExecutions')
    AND Namespace = 'AWS/Lambda' AND DimensionSet = '' AND PeriodS = 60
    AND Time >= {from:DateTime64(3, 'UTC')} AND Time < {to:DateTime64(3, 'UTC')}
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY Bucket, FunctionName
ORDER BY Bucket, FunctionName
