-- Records polled from the streams and handed to functions, where the mapping's event counts are switched on.
SELECT
    toDateTime(intDiv(toUnixTimestamp(Minute), {bucket_s:UInt32}) * {bucket_s:UInt32}, 'UTC') AS Bucket,
    FunctionName,
    sum(RecordsPolled) AS Polled,
    sum(RecordsInvoked) AS Invoked,
    sum(RecordsFailed) AS Failed,
    sum(RecordsDropped) AS Dropped
FROM lambda_stream_lag_between(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
WHERE isNotNull(RecordsPolled)
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
    AND ({account:String} = '' OR AccountId = {account:String})
    AND ({region:String} = '' OR Region = {region:String})
GROUP BY Bucket, FunctionName
ORDER BY Bucket, FunctionName
