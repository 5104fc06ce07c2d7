-- Alerts that fire now, whatever the range: the newest change of each that is no resolution.
SELECT
    Rule, Fingerprint,
    argMax(Title, Time) AS LastTitle,
    argMax(Labels['FunctionName'], Time) AS FunctionName,
    argMax(arrayStringConcat(arrayFilter(one -> one != '', mapValues(mapSort((name, value) -> if(name = 'FunctionName', '', name), Labels))), ', '), Time) AS Series,
    argMax(Severity, Time) AS LastSeverity,
    argMax(Kind, Time) AS LastKind,
    argMax(FiredAt, Time) AS Since,
    max(Time) AS Changed,
    argMax(Summary, Time) AS LastSummary,
    argMax(Advice, Time) AS LastAdvice
FROM lambda_alerts
WHERE Time > now64(3) - toIntervalDay(90)
GROUP BY Rule, Fingerprint
HAVING LastKind != 'resolved'
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, FunctionName))
ORDER BY indexOf(['critical', 'warning', 'info'], LastSeverity), Since DESC
LIMIT 500
