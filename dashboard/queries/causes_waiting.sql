-- How many hours and days of causes the collector's jobs are still making, as after an update or where points came late.
SELECT count() AS Waiting
FROM lambda_cause_blocks
WHERE MadeOfArrivals != Arrivals
    AND Block >= {from:DateTime64(3, 'UTC')} - toIntervalDay(1) AND Block < {to:DateTime64(3, 'UTC')}
