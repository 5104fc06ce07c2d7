-- From when until when there is data of the fleet: outside of it a chart has gaps, not zeros. Of what was told, before it
-- is merged into invocations: their extent is the same, and it takes a hundredth of the time.
SELECT
    count() AS Invocations,
    min(Start) AS FirstStart,
    max(addNanoseconds(Start, toInt64(greatest(MeasuredNs, ifNull(ReportedNs, 0))))) AS LastEnd
FROM lambda_invocation_parts
WHERE Start >= {from:DateTime64(3, 'UTC')} AND Start < {to:DateTime64(3, 'UTC')}
