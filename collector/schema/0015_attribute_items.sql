-- "key=value" of every attribute, as the exporter's newest template has them: queries of tools ask for them by name. They
-- are made when they are read and take no room.
ALTER TABLE otel_traces
    ADD COLUMN IF NOT EXISTS ResourceAttributeItems Array(String)
        ALIAS arrayMap(item -> concat(item.1, '=', item.2), CAST(ResourceAttributes, 'Array(Tuple(String, String))')),
    ADD COLUMN IF NOT EXISTS SpanAttributeItems Array(String)
        ALIAS arrayMap(item -> concat(item.1, '=', item.2), CAST(SpanAttributes, 'Array(Tuple(String, String))'));

ALTER TABLE otel_logs
    ADD COLUMN IF NOT EXISTS ResourceAttributeItems Array(String)
        ALIAS arrayMap(item -> concat(item.1, '=', item.2), CAST(ResourceAttributes, 'Array(Tuple(String, String))')),
    ADD COLUMN IF NOT EXISTS ScopeAttributeItems Array(String)
        ALIAS arrayMap(item -> concat(item.1, '=', item.2), CAST(ScopeAttributes, 'Array(Tuple(String, String))')),
    ADD COLUMN IF NOT EXISTS LogAttributeItems Array(String)
        ALIAS arrayMap(item -> concat(item.1, '=', item.2), CAST(LogAttributes, 'Array(Tuple(String, String))'));
