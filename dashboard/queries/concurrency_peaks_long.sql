-- The highest concurrency of the account ('*') and of each function in the window's buckets, and the instant at which it
-- began: the rollups tell the hour, or the bucket where those are shorter, and what was busy in it tells the instant. Half-open intervals [BusyStart, End) in
-- whole milliseconds. What has not ended counts until now.
-- rollups: of the window
WITH
    toUInt32(least({bucket_s:UInt32}, 3600)) AS step_s,
    peaks AS
    (
        SELECT
            AccountId, Region, FunctionName AS Name, c.Peak AS Peak,
            c.BusyMs / 1000 / dateDiff('second', {from:DateTime64(3, 'UTC')}, {to:DateTime64(3, 'UTC')}) AS Avg,
            toUnixTimestamp(c.Bucket) AS highest_s,
            arrayMap(hour -> toDateTime(hour * 3600, 'UTC'), range(
                toUInt32(intDiv(highest_s - 900, 3600)),
                toUInt32(intDiv(highest_s + step_s + 900, 3600) + 1))) AS hours
        FROM lambda_concurrency_peaks(
            from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}, bucket_s = least({bucket_s:UInt32}, 3600)) AS c
        WHERE (FunctionName = '*' OR empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
            AND ({account:String} = '' OR AccountId = {account:String})
            AND ({region:String} = '' OR Region = {region:String})
    ),
    (SELECT groupArray((AccountId, Region, Name, Peak, Avg, highest_s, hours)) FROM peaks) AS found
SELECT
    AccountId, Region, Name AS FunctionName,
    any(Most) AS Peak,
    fromUnixTimestamp64Milli(toInt64(maxIntersectionsPosition(BusyMs, FreeMs)), 'UTC') AS At,
    any(Mean) AS Avg,
    any(ran.Sandboxes) AS Sandboxes
FROM
(
    SELECT
        AccountId, Region, Name, Most, Mean,
        greatest(toUnixTimestamp64Milli(BusyStart), begin_ms) AS BusyMs,
        least(ifNull(toUnixTimestamp64Milli(End), least(toUnixTimestamp64Milli(now64(3)), BusyMs + 900000)), end_ms) AS FreeMs
    FROM
    (
        SELECT AccountId, Region, arrayJoin(['*', toString(FunctionName)]) AS Name, BusyStart, End
        FROM lambda_invocations
        WHERE toStartOfHour(Start, 'UTC') IN
                (SELECT arrayJoin(one.7) FROM (SELECT arrayJoin(found) AS one) WHERE one.3 = '*')
            OR (toStartOfHour(Start, 'UTC'), FunctionName) IN
                (SELECT arrayJoin(one.7), one.3 FROM (SELECT arrayJoin(found) AS one))
    ) AS busy
    INNER JOIN
    (
        SELECT
            one.1 AS AccountId, one.2 AS Region, one.3 AS Name, one.4 AS Most, one.5 AS Mean,
            toInt64(one.6) * 1000 AS begin_ms, begin_ms + toInt64(step_s) * 1000 AS end_ms
        FROM (SELECT arrayJoin(found) AS one)
    ) AS asked USING (AccountId, Region, Name)
    WHERE FreeMs > BusyMs
) AS intervals
LEFT JOIN
(
    SELECT AccountId, Region, arrayJoin(['*', toString(Named)]) AS Name, sum(sandboxes) AS Sandboxes
    FROM
    (
        SELECT AccountId, Region, FunctionName AS Named, uniqExact(cityHash64(InstanceId)) AS sandboxes
        FROM lambda_sandbox_parts
        WHERE FirstInvoke < {to:DateTime64(3, 'UTC')} AND LastInvoke >= {from:DateTime64(3, 'UTC')}
        GROUP BY AccountId, Region, Named
    )
    GROUP BY AccountId, Region, Name
) AS ran USING (AccountId, Region, Name)
GROUP BY AccountId, Region, Name
ORDER BY Peak DESC, FunctionName
