-- Execution environments alive, busy and idle in each bucket: exact time-weighted averages, and the most alive at once.
-- One lives from its init (or first invocation) until it is shut down. Of one that nobody told the end of, the quarter of
-- an hour after the last that was heard of it counts as well, as Presumed: that long it may be idle without a word.
CREATE OR REPLACE VIEW lambda_sandboxes_over_time AS
WITH
    {bucket_s:UInt32} AS bucket_s,
    ${range},
    ${length_ms} AS width_ms,
    if(bucket_ms = 0, from_ms, 0) AS origin_ms,
    lives AS
    (
        SELECT
            AccountId, Region, toString(FunctionName) AS name,
            greatest(toUnixTimestamp64Milli(assumeNotNull(coalesce(InitStart, FirstInvoke))), from_ms) AS alive_from,
            toUnixTimestamp64Milli(greatest(
                coalesce(LastEnd, LastInvoke, InitStart, FirstInvoke), coalesce(InitStart, FirstInvoke))) AS heard_to,
            least(coalesce(toUnixTimestamp64Milli(ShutdownAt),
                greatest(heard_to, least(heard_to + 900000, toUnixTimestamp64Milli(now64(3))))), to_ms) AS alive_to,
            least(greatest(ifNull(toUnixTimestamp64Milli(ShutdownAt), heard_to), from_ms), to_ms) AS known_to
        FROM lambda_sandbox_lives
        WHERE isNotNull(coalesce(InitStart, FirstInvoke))
            AND InstanceId GLOBAL IN
            (
                SELECT InstanceId
                FROM lambda_sandbox_parts
                WHERE LastSeen >= toDateTime(greatest(0, intDiv(from_ms, 1000) - 900))
            )
    ),
    pieces AS
    (
        SELECT
            AccountId, Region, known_to,
            arrayJoin([name, '*']) AS FunctionName,
            toInt64(arrayJoin(range(
                toUInt64(intDiv(alive_from - origin_ms, width_ms)),
                toUInt64(intDiv(alive_to - origin_ms - 1, width_ms) + 1)))) * width_ms + origin_ms AS begin_ms,
            greatest(assumeNotNull(alive_from), begin_ms) AS piece_from,
            least(assumeNotNull(alive_to), begin_ms + width_ms) AS piece_to
        FROM lives
        WHERE alive_to > alive_from
    ),
    alive AS
    (
        SELECT
            AccountId, Region, FunctionName,
            toDateTime(fromUnixTimestamp64Milli(begin_ms, 'UTC'), 'UTC') AS Bucket,
            sum(piece_to - piece_from) / width_ms AS Alive,
            toUInt64(maxIntersections(piece_from, piece_to)) AS AlivePeak,
            sum(greatest(0, piece_to - greatest(piece_from, assumeNotNull(known_to)))) / width_ms AS Presumed
        FROM pieces
        GROUP BY AccountId, Region, FunctionName, Bucket
    )
SELECT
    AccountId,
    Region,
    Bucket,
    FunctionName,
    Alive,
    AlivePeak,
    busy.Avg AS Busy,
    busy.Peak AS BusyPeak,
    greatest(0., Alive - Busy) AS Idle,
    Presumed
FROM alive
GLOBAL ANY LEFT JOIN
(
    SELECT AccountId, Region, Bucket, FunctionName, Peak, Avg
    FROM lambda_concurrency(
        from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}, bucket_s = {bucket_s:UInt32})
    WHERE FunctionVersion = ''
) AS busy USING (AccountId, Region, FunctionName, Bucket)
SETTINGS join_use_nulls = 0;
