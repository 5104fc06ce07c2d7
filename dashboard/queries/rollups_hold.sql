-- Whether all of a time has rollups that hold: each minute of it, and each hour and day that lies within it. One that nothing was
-- heard of is as good.
WITH
    {from:DateTime64(3, 'UTC')} AS begin,
    {to:DateTime64(3, 'UTC')} AS end
SELECT sum(open) + countIf(Day >= begin AND Day + toIntervalDay(1) <= end AND arrivals != bitShiftRight(of_day, 32)) = 0 AS Hold
FROM
(
    SELECT
        toStartOfDay(Hour) AS Day,
        sum(hour_arrivals) AS arrivals,
        max(of_day) AS of_day,
        sum(open_minutes)
            + countIf(Hour >= begin AND Hour + toIntervalHour(1) <= end AND hour_arrivals != bitShiftRight(of_hour, 32)) AS open
    FROM
    (
        SELECT
            toStartOfHour(Time) AS Hour,
            sum(minute_arrivals) AS hour_arrivals,
            max(of_hour) AS of_hour,
            max(of_day) AS of_day,
            countIf(Time >= begin AND minute_arrivals != bitShiftRight(of_minute, 32)) AS open_minutes
        FROM
        (
            SELECT
                Time,
                sumIf(Arrivals, PeriodS = 60) AS minute_arrivals,
                maxIf(Computed, PeriodS = 60) AS of_minute,
                maxIf(Computed, PeriodS = 3600) AS of_hour,
                maxIf(Computed, PeriodS = 86400) AS of_day
            FROM lambda_rollup_state
            WHERE Time >= toStartOfDay(begin) AND Time < end
            GROUP BY Time
        )
        GROUP BY Hour
    )
    GROUP BY Day
)
