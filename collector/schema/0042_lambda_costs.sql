-- What functions cost in [from, to) at list prices, by architecture: requests, billed time, and of that what init took
-- and what extensions added after the answer. Prices are those of the first tier; provisioned concurrency, the free tier
-- and discounts are left out. NULL where there is no price.
CREATE OR REPLACE VIEW lambda_costs AS
WITH
    region_prices AS
    (
        SELECT Region AS PriceRegion, Item, Architecture, PriceUsd FROM lambda_prices WHERE FromUnits = 0
    ),
    activity AS
    (
        SELECT
            AccountId, Region, FunctionName, Invocations, BilledMs, PostRuntimeNs, DurationNs, MaxMemoryUsedMB,
            arrayJoin(if(empty(BilledMBMs), map('', toUInt64(0)), BilledMBMs)) AS billed,
            InitMBUs
        FROM lambda_activity(from = {from:DateTime64(3, 'UTC')}, to = {to:DateTime64(3, 'UTC')}, bucket_s = 0)
        WHERE FunctionName != '*' AND FunctionVersion = ''
    )
SELECT
    AccountId,
    Region,
    FunctionName,
    billed.1 AS Architecture,
    -- Requests are not told apart by architecture: those of a function that has several stand with each.
    Invocations,
    billed.2 / 1024000 AS GbSeconds,
    InitMBUs[billed.1] / 1024000000 AS InitGbSeconds,
    GbSeconds * least(1, PostRuntimeNs / 1e6 / nullIf(BilledMs, 0)) AS PostRuntimeGbSeconds,
    coalesce(nullIf(own_second.PriceUsd, 0), nullIf(any_second.PriceUsd, 0)) AS GbSecondUsd,
    coalesce(nullIf(own_request.PriceUsd, 0), nullIf(any_request.PriceUsd, 0)) AS RequestUsd,
    GbSeconds * GbSecondUsd AS DurationUsd,
    Invocations * RequestUsd AS RequestsUsd,
    InitGbSeconds * GbSecondUsd AS InitUsd,
    PostRuntimeGbSeconds * GbSecondUsd AS PostRuntimeUsd,
    MaxMemoryUsedMB
FROM activity
LEFT JOIN (SELECT * FROM region_prices WHERE Item = 'gb_second') AS own_second
    ON own_second.PriceRegion = activity.Region AND own_second.Architecture = billed.1
LEFT JOIN (SELECT * FROM region_prices WHERE Item = 'gb_second' AND PriceRegion = '') AS any_second
    ON any_second.Architecture = billed.1
LEFT JOIN (SELECT * FROM region_prices WHERE Item = 'request') AS own_request ON own_request.PriceRegion = activity.Region
LEFT JOIN (SELECT * FROM region_prices WHERE Item = 'request' AND PriceRegion = '') AS any_request ON true;
