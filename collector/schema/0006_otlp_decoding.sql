-- OTLP as it came, decoded by ClickHouse itself: what is inserted into these tables in the Protobuf format (messages of
-- collector/otlp/stored.proto, a request to a row) is kept nowhere, and the views make rows of it, the same ones as
-- collector/otlp makes in Python. What they cannot express ends the insert before anything is stored, and the collector
-- takes the other way: an attribute that holds a map, or a list of more than plain strings, whole numbers and booleans,
-- and an attribute's name that comes twice.

-- define kind
Enum8(
    'none' = 0, 'string_value' = 1, 'bool_value' = 2, 'int_value' = 3, 'double_value' = 4, 'array_value' = 5,
    'kvlist_value' = 6, 'bytes_value' = 7)
-- end

-- define any_value
Tuple(
    value ${kind}, string_value String, bool_value Bool, int_value Int64, double_value Float64,
    array_value Tuple(values Array(Tuple(
        value ${kind}, string_value String, bool_value Bool, int_value Int64, double_value Float64,
        array_value String, kvlist_value String, bytes_value String))),
    kvlist_value String, bytes_value String)
-- end

-- define attributes
Array(Tuple(key String, value ${any_value}))
-- end

-- define decoding
    element -> element.value IN ('none', 'bool_value', 'int_value')
        OR (element.value = 'string_value' AND NOT match(element.string_value, '[\\x00-\\x1f"\\\\]')) AS is_plain,
    element -> multiIf(
        element.value = 'string_value', concat('"', element.string_value, '"'),
        element.value = 'int_value', toString(element.int_value),
        element.value = 'bool_value', if(element.bool_value, 'true', 'false'),
        'null') AS element_text,
    number -> multiIf(
        number = 0, '0',
        isNaN(number), 'NaN',
        isInfinite(number), if(number > 0, 'Infinity', '-Infinity'),
        toString(number)) AS number_text,
    any -> multiIf(
        any.value = 'string_value', any.string_value,
        any.value = 'int_value', toString(any.int_value),
        any.value = 'bool_value', if(any.bool_value, 'true', 'false'),
        any.value = 'double_value', number_text(any.double_value),
        any.value = 'bytes_value', base64Encode(any.bytes_value),
        any.value = 'array_value',
            concat('[', arrayStringConcat(arrayMap(item -> element_text(item), any.array_value.values), ','), ']'),
        '') AS text,
    any -> any.value = 'kvlist_value' OR NOT arrayAll(item -> is_plain(item), any.array_value.values) AS is_nested,
    pairs -> mapSort(CAST(
        arrayMap(pair -> (pair.key, text(pair.value)), pairs), 'Map(LowCardinality(String), String)')) AS attributes,
    pairs -> arrayUniq(pairs.key) != length(pairs) OR arrayExists(pair -> is_nested(pair.value), pairs) AS is_beyond,
    nanoseconds -> fromUnixTimestamp64Nano(toInt64(least(nanoseconds, 9223372036854775807))) AS time,
    id -> lower(hex(id)) AS hexadecimal
-- end

CREATE TABLE IF NOT EXISTS otlp_traces
(
    resource_spans Array(Tuple(
        resource Tuple(attributes ${attributes}),
        scope_spans Array(Tuple(
            scope Tuple(name String, version String),
            spans Array(Tuple(
                trace_id String, span_id String, trace_state String, parent_span_id String, name String, kind Int32,
                start_time_unix_nano UInt64, end_time_unix_nano UInt64,
                attributes ${attributes},
                events Array(Tuple(time_unix_nano UInt64, name String, attributes ${attributes})),
                links Array(Tuple(trace_id String, span_id String, trace_state String, attributes ${attributes})),
                status Tuple(message String, code Int32)))))))
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_traces_mv TO otel_traces AS
WITH
${decoding}
SELECT
    time(span.start_time_unix_nano) AS Timestamp,
    hexadecimal(span.trace_id) AS TraceId,
    hexadecimal(span.span_id) AS SpanId,
    hexadecimal(span.parent_span_id) AS ParentSpanId,
    span.trace_state AS TraceState,
    span.name AS SpanName,
    transform(span.kind, [1, 2, 3, 4, 5], ['Internal', 'Server', 'Client', 'Producer', 'Consumer'], 'Unspecified')
        AS SpanKind,
    ResourceAttributes['service.name'] AS ServiceName,
    ResourceAttributes,
    scope.name AS ScopeName,
    scope.version AS ScopeVersion,
    attributes(span.attributes) AS SpanAttributes,
    if(span.end_time_unix_nano > span.start_time_unix_nano, span.end_time_unix_nano - span.start_time_unix_nano, 0)
        AS Duration,
    transform(span.status.code, [1, 2], ['Ok', 'Error'], 'Unset') AS StatusCode,
    span.status.message AS StatusMessage,
    arrayMap(event -> time(event.time_unix_nano), span.events) AS `Events.Timestamp`,
    span.events.name AS `Events.Name`,
    arrayMap(event -> attributes(event.attributes), span.events) AS `Events.Attributes`,
    arrayMap(link -> hexadecimal(link.trace_id), span.links) AS `Links.TraceId`,
    arrayMap(link -> hexadecimal(link.span_id), span.links) AS `Links.SpanId`,
    span.links.trace_state AS `Links.TraceState`,
    arrayMap(link -> attributes(link.attributes), span.links) AS `Links.Attributes`
FROM
(
    SELECT ResourceAttributes, scope_spans.scope AS scope, arrayJoin(scope_spans.spans) AS span
    FROM
    (
        SELECT attributes(resource.attributes) AS ResourceAttributes, arrayJoin(groups) AS scope_spans
        FROM
        (
            SELECT arrayJoin(resource_spans) AS group, group.resource AS resource, group.scope_spans AS groups
            FROM otlp_traces
        )
        WHERE NOT throwIf(is_beyond(resource.attributes), 'not decoded by ClickHouse')
    )
)
WHERE NOT throwIf(
    is_beyond(span.attributes)
    OR arrayExists(event -> is_beyond(event.attributes), span.events)
    OR arrayExists(link -> is_beyond(link.attributes), span.links), 'not decoded by ClickHouse');

CREATE TABLE IF NOT EXISTS otlp_logs
(
    resource_logs Array(Tuple(
        resource Tuple(attributes ${attributes}),
        scope_logs Array(Tuple(
            scope Tuple(name String, version String, attributes ${attributes}),
            log_records Array(Tuple(
                time_unix_nano UInt64, observed_time_unix_nano UInt64, severity_number Int32, severity_text String,
                body ${any_value},
                attributes ${attributes},
                flags UInt32, trace_id String, span_id String, event_name String)),
            schema_url String)),
        schema_url String))
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS otlp_logs_mv TO otel_logs AS
WITH
${decoding}
SELECT
    time(if(record.time_unix_nano = 0, record.observed_time_unix_nano, record.time_unix_nano)) AS Timestamp,
    hexadecimal(record.trace_id) AS TraceId,
    hexadecimal(record.span_id) AS SpanId,
    toUInt8(bitAnd(record.flags, 255)) AS TraceFlags,
    record.severity_text AS SeverityText,
    toUInt8(least(greatest(record.severity_number, 0), 255)) AS SeverityNumber,
    ResourceAttributes['service.name'] AS ServiceName,
    text(record.body) AS Body,
    ResourceSchemaUrl,
    ResourceAttributes,
    ScopeSchemaUrl,
    scope.name AS ScopeName,
    scope.version AS ScopeVersion,
    ScopeAttributes,
    attributes(record.attributes) AS LogAttributes,
    record.event_name AS EventName
FROM
(
    SELECT
        ResourceAttributes, ResourceSchemaUrl, scope_logs.scope AS scope, scope_logs.schema_url AS ScopeSchemaUrl,
        attributes(scope.attributes) AS ScopeAttributes, arrayJoin(scope_logs.log_records) AS record
    FROM
    (
        SELECT attributes(resource.attributes) AS ResourceAttributes, ResourceSchemaUrl, arrayJoin(groups) AS scope_logs
        FROM
        (
            SELECT
                arrayJoin(resource_logs) AS group, group.resource AS resource, group.scope_logs AS groups,
                group.schema_url AS ResourceSchemaUrl
            FROM otlp_logs
        )
        WHERE NOT throwIf(is_beyond(resource.attributes), 'not decoded by ClickHouse')
    )
    WHERE NOT throwIf(is_beyond(scope_logs.scope.attributes), 'not decoded by ClickHouse')
)
WHERE NOT throwIf(is_beyond(record.attributes) OR is_nested(record.body), 'not decoded by ClickHouse');
