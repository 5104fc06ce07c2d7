-- What alerts did in the window, and whether people were told.
SELECT
    changes.Time AS At, changes.Title AS Title, changes.Rule AS Rule, changes.Labels['FunctionName'] AS FunctionName,
    arrayStringConcat(arrayFilter(one -> one != '', mapValues(mapSort((name, value) -> if(name = 'FunctionName', '', name), changes.Labels))), ', ') AS Series,
    changes.Kind AS Kind, changes.Severity AS Severity, changes.Summary AS Summary,
    arrayStringConcat(arraySort(groupArrayIf(concat(told.Destination, ': ', told.Outcome), told.Destination != '')), ', ') AS Told
FROM lambda_alerts AS changes FINAL
LEFT JOIN lambda_alert_deliveries AS told FINAL
    ON changes.Rule = told.Rule AND changes.Fingerprint = told.Fingerprint AND changes.Time = told.Time AND changes.Kind = told.Kind
WHERE changes.Time >= {from:DateTime64(3, 'UTC')} AND changes.Time < {to:DateTime64(3, 'UTC')}
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
GROUP BY At, Title, Rule, FunctionName, Series, Kind, Severity, Summary, changes.Fingerprint
ORDER BY At DESC
LIMIT 1000
