-- One attempt of an invocation; the newest where the link names only the request. A link that says when it began is
-- answered from that time alone.
SELECT *
FROM lambda_invocations_between(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')})
WHERE RequestId = {request:String}
    AND ({instance:String} = '' OR (InstanceId = {instance:String} AND Attempt = {attempt:UInt32}))
ORDER BY Start DESC
LIMIT 1
