-- Records by shard, as the invocations saw them: needs the proxy (LAMBDASCOPE_PROXY=1).
-- Where no invocation has an age, which the table of invocations tells at once, no span is looked at.
SELECT
    ResourceAttributes['faas.name'] AS FunctionName,
    SpanAttributes['lambda.event_source_arn'] AS EventSourceArn,
    SpanAttributes['messaging.destination.partition.id'] AS Shard,
    -- What one was told with while it ran has the id of its final span.
    uniqExact(SpanId) AS Invocations,
    countIf(StatusCode = 'Error') AS Failed,
    max(toFloat64OrNull(SpanAttributes['lambda.iterator_age_ms'])) AS MaxAgeMs,
    argMax(toFloat64OrNull(SpanAttributes['lambda.iterator_age_ms']), Timestamp) AS LastAgeMs
FROM otel_traces
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    AND (SELECT count() > 0 FROM lambda_invocation_parts
        WHERE Start >= {from:DateTime64(3, 'UTC')} AND Start < {to:DateTime64(3, 'UTC')} AND isNotNull(IteratorAgeMs))
    AND has(mapKeys(SpanAttributes), 'lambda.iterator_age_ms') AND SpanAttributes['lambda.phase'] = 'invoke'
    AND SpanAttributes['lambda.iterator_age_ms'] != ''
    AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, ResourceAttributes['faas.name']))
    AND ({account:String} = '' OR ResourceAttributes['cloud.account.id'] = {account:String})
    AND ({region:String} = '' OR ResourceAttributes['cloud.region'] = {region:String})
GROUP BY FunctionName, EventSourceArn, Shard
ORDER BY MaxAgeMs DESC
LIMIT 200
