-- What chosen sandboxes did. Work of one kind that lies within the same {quantum_ms} is one row, so that a long window
-- stays drawable; Count says how many invocations it stands for.
WITH
    -- What the chosen ones did, they did since they were there.
    (
        SELECT min(least(ifNull(InitStart, FirstInvoke), ifNull(FirstInvoke, InitStart)))
        FROM lambda_sandbox_parts
        WHERE has({instances:Array(String)}, InstanceId)
    ) AS born,
    greatest({from:DateTime64(3, 'UTC')}, toDateTime64(ifNull(born, toDateTime64(0, 9)), 3, 'UTC')) - toIntervalSecond(900) AS read_from
SELECT
    InstanceId, Kind,
    min(Begin) AS Start, max(Finish) AS End, count() AS Count, sum(BusyMs) AS BusyMs,
    any(RequestId) AS RequestId, any(Attempt) AS Attempt
FROM
(
    SELECT
        InstanceId, RequestId, Attempt, Start AS Begin, coalesce(End, now64(3)) AS Finish,
        if(coalesce(Status, '') IN ('', 'success'), 'invoke', 'failed invoke') AS Kind,
        dateDiff('millisecond', Begin, Finish) AS BusyMs
    FROM lambda_invocations_between(
        from = {from:DateTime64(3, 'UTC')} - toIntervalSecond(900), to = {to:DateTime64(3, 'UTC')})
    WHERE Start >= read_from AND toStartOfHour(Start, 'UTC') >= toStartOfHour(read_from, 'UTC') AND Start < {to:DateTime64(3, 'UTC')}
        AND Finish >= {from:DateTime64(3, 'UTC')}
        AND has({instances:Array(String)}, InstanceId)
    UNION ALL
    -- What lambda_phases says, of spans with these names alone: to look at the attributes of all others takes as long as that.
    SELECT
        ResourceAttributes['faas.instance'] AS InstanceId, nullIf(SpanAttributes['faas.invocation_id'], '') AS RequestId,
        1 AS Attempt, Timestamp AS Begin, Timestamp + toIntervalMicrosecond(toInt64(Duration / 1e6 * 1000)) AS Finish,
        if(SpanName = 'shutdown', 'shutdown', if(SpanName = 'restore', 'restore', 'init')) AS Kind,
        toInt64(Duration / 1e6) AS BusyMs
    FROM otel_traces
    WHERE Timestamp >= read_from AND Timestamp < {to:DateTime64(3, 'UTC')}
        AND SpanName IN ('init', 'restore', 'shutdown') AND SpanAttributes['lambda.phase'] = SpanName
        AND SpanAttributes['lambda.in_flight'] != 'true'
        AND has({instances:Array(String)}, InstanceId)
)
GROUP BY InstanceId, Kind, intDiv(toUnixTimestamp64Milli(toDateTime64(Begin, 3)), {quantum_ms:UInt32})
ORDER BY InstanceId, Start
