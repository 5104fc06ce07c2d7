-- What functions cost in [from, to) at list prices, by architecture: requests, billed time, and of that what init took
-- and what extensions added after the answer. Prices are those of the first tier; provisioned concurrency, the free tier
-- and discounts are left out. NULL where there is no price.
CREATE OR REPLACE VIEW lambda_costs AS
WITH
    -- By item, region and architecture. They are few: joins would take longer.
    (
        SELECT mapFromArrays(groupArray(concat(Item, '/', Region, '/', Architecture)), groupArray(PriceUsd))
        FROM lambda_prices
        WHERE FromUnits = 0
    ) AS prices,
    toUInt32(0) AS bucket_s,
    ${range},
    ${pieces},
    activity AS
    (
        SELECT
            AccountId, Region, FunctionName, Invocations, BilledMs, PostRuntimeNs, MaxMemoryUsedMB,
            arrayJoin(if(empty(BilledMBMs), map('', toUInt64(0)), BilledMBMs)) AS billed,
            InitMBUs
        FROM (${billed})
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
    coalesce(nullIf(prices[concat('gb_second/', CAST(Region, 'String'), '/', Architecture)], 0),
        nullIf(prices[concat('gb_second//', Architecture)], 0)) AS GbSecondUsd,
    coalesce(nullIf(prices[concat('request/', CAST(Region, 'String'), '/')], 0), nullIf(prices['request//'], 0)) AS RequestUsd,
    GbSeconds * GbSecondUsd AS DurationUsd,
    Invocations * RequestUsd AS RequestsUsd,
    InitGbSeconds * GbSecondUsd AS InitUsd,
    PostRuntimeGbSeconds * GbSecondUsd AS PostRuntimeUsd,
    MaxMemoryUsedMB
FROM activity;
