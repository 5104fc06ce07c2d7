-- From when until when there are CloudWatch figures in the window, of any function.
SELECT min(Time) AS FirstStart, max(Time) + 60 AS LastEnd, count() AS Invocations
FROM lambda_metrics
WHERE MetricName = 'Invocations' AND Namespace = 'AWS/Lambda' AND DimensionSet IN ('', 'FunctionName') AND PeriodS = 60
    AND Time >= {from:DateTime64(3, 'UTC')} AND Time < {to:DateTime64(3, 'UTC')}
