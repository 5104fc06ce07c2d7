SELECT AccountId, Region, Dimensions['FunctionName'] AS FunctionName, max(Max) / 1000 AS Value
FROM lambda_metrics
WHERE MetricName = 'IteratorAge' AND Namespace = 'AWS/Lambda' AND DimensionSet = 'FunctionName'
    AND Time >= {from:DateTime64(3, 'UTC')} AND Time < {to:DateTime64(3, 'UTC')}
GROUP BY AccountId, Region, FunctionName;
