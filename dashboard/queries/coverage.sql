-- From when until when there is data of the fleet: outside of it a chart has gaps, not zeros. Of what was told, before it
-- is merged into invocations: their extent is the same. Only the first and the last hour in which anything came are read:
-- what came counts for minutes at most twenty before and after its start.
WITH
    (
        SELECT (min(Time), max(Time))
        FROM lambda_rollup_state
        WHERE Arrivals > 0 AND Time >= {from:DateTime64(3, 'UTC')} - toIntervalMinute(20) AND Time < {to:DateTime64(3, 'UTC')}
    ) AS edges
SELECT
    count() AS Invocations,
    min(Start) AS FirstStart,
    max(addNanoseconds(Start, toInt64(greatest(MeasuredNs, ifNull(ReportedNs, 0))))) AS LastEnd
FROM lambda_invocation_parts
WHERE Start >= {from:DateTime64(3, 'UTC')} AND Start < {to:DateTime64(3, 'UTC')}
    AND (Start < edges.1 + toIntervalHour(1) OR Start >= edges.2 - toIntervalHour(1))
