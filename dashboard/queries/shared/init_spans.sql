        AND Timestamp >= greatest({from:DateTime64(3, 'UTC')}, {to:DateTime64(3, 'UTC')} - toIntervalDay(1))
        AND Timestamp < {to:DateTime64(3, 'UTC')}
        AND SpanName IN ('init', 'extension_init', 'runtime_init', 'function_init', 'runtime_and_function_init', 'restore')
        AND (empty({functions:Array(String)}) OR has({functions:Array(String)}, ResourceAttributes['faas.name']))
        AND ({account:String} = '' OR ResourceAttributes['cloud.account.id'] = {account:String})
        AND ({region:String} = '' OR ResourceAttributes['cloud.region'] = {region:String})
