    toInt64({bucket_s:UInt32}) * 1000 AS width_ms,
    intDiv(toUnixTimestamp64Milli({from:DateTime64(3, 'UTC')}), width_ms) * width_ms AS from_ms,
    intDiv(toUnixTimestamp64Milli({to:DateTime64(3, 'UTC')}) + width_ms - 1, width_ms) * width_ms AS to_ms
SELECT
    alive.Bucket AS Bucket,
    sum(Busy) AS Working,
    sum(greatest(0., Alive - Busy - Presumed)) AS Waiting,
    sum(least(Presumed, greatest(0., Alive - Busy))) AS PerhapsGone
FROM
(
    SELECT
        AccountId, Region, Name,
        toDateTime(intDiv(begin_ms, 1000), 'UTC') AS Bucket,
        sum(least(alive_to, begin_ms + width_ms) - greatest(alive_from, begin_ms)) / width_ms AS Alive,
        sum(greatest(0, least(alive_to, begin_ms + width_ms) - greatest(alive_from, begin_ms, known_to))) / width_ms AS Presumed
    FROM
    (
        SELECT
            AccountId, Region, Name, alive_from, alive_to, known_to,
            arrayJoin(range(toUInt64(intDiv(alive_from, width_ms)), toUInt64(intDiv(alive_to - 1, width_ms) + 1)))
                * toInt64(width_ms) AS begin_ms
        FROM
        (
            SELECT
                AccountId, Region, if(empty({functions:Array(String)}), '*', toString(FunctionName)) AS Name,
                toUnixTimestamp64Milli(assumeNotNull(coalesce(InitStart, FirstInvoke))) AS begun,
                greatest(begun, toUnixTimestamp64Milli(assumeNotNull(coalesce(LastEnd, LastInvoke, InitStart, FirstInvoke)))) AS heard_to,
                greatest(begun, from_ms) AS alive_from,
                assumeNotNull(least(coalesce(toUnixTimestamp64Milli(ShutdownAt),
                    greatest(heard_to, least(heard_to + 900000, toUnixTimestamp64Milli(now64(3))))), to_ms)) AS alive_to,
                assumeNotNull(least(greatest(ifNull(toUnixTimestamp64Milli(ShutdownAt), heard_to), from_ms), to_ms)) AS known_to
            FROM lambda_sandbox_lives
            WHERE isNotNull(coalesce(InitStart, FirstInvoke))
                -- Of a long time most are needed, and to look for those takes longer than to look at all.
                AND (to_ms - from_ms > 172800000 OR InstanceId GLOBAL IN
                (
                    SELECT InstanceId
                    FROM lambda_sandbox_parts
                    WHERE LastSeen >= toDateTime(greatest(0, intDiv(from_ms, 1000) - 900))
                ))
                AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
                AND ({account:String} = '' OR AccountId = {account:String})
                AND ({region:String} = '' OR Region = {region:String})
        )
        WHERE alive_to > alive_from
    )
    GROUP BY AccountId, Region, Name, begin_ms
) AS alive
