-- From when until when there is data of the fleet: outside of it a chart has gaps, not zeros.
SELECT count() AS Invocations, min(Start) AS FirstStart, max(addMilliseconds(Start, toInt64(DurationMs))) AS LastEnd
FROM lambda_phases
WHERE Phase = 'invoke' AND Start >= {from:DateTime64(3, 'UTC')} AND Start < {to:DateTime64(3, 'UTC')}
