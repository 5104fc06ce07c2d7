-- From when until when there is data of the fleet: outside of it a chart has gaps, not zeros.
SELECT count() AS Invocations, min(Start) AS FirstStart, max(greatest(Start, End)) AS LastEnd
FROM lambda_invocations
WHERE Start >= {from:DateTime64(3, 'UTC')} AND Start < {to:DateTime64(3, 'UTC')}
