-- One attempt of an invocation; the newest where the link names only the request.
SELECT *
FROM lambda_invocations
WHERE RequestId = {request:String}
    AND ({instance:String} = '' OR (InstanceId = {instance:String} AND Attempt = {attempt:UInt32}))
ORDER BY Start DESC
LIMIT 1
