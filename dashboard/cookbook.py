"""Statements to start from, on the page SQL and in docs/dashboard.md. Each runs as it is; a test runs them all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Recipe:
    """A question and the statement that answers it."""

    title: str
    sql: str


RECIPES: Final = (
    Recipe(
        "Slowest functions of the last hour",
        """SELECT FunctionName, count() AS Invocations,
       round(quantile(0.5)(DurationMs)) AS p50_ms, round(quantile(0.99)(DurationMs)) AS p99_ms
FROM lambda_invocations
WHERE Start > now() - INTERVAL 1 HOUR
GROUP BY FunctionName
ORDER BY p99_ms DESC""",
    ),
    Recipe(
        "Invocations per minute",
        """SELECT toStartOfMinute(Start) AS Minute, count() AS Invocations
FROM lambda_invocations
WHERE Start > now() - INTERVAL 1 HOUR
GROUP BY Minute
ORDER BY Minute""",
    ),
    Recipe(
        "What failed, and how often",
        """SELECT FunctionName, Status, ErrorType, count() AS Times, max(Start) AS Latest
FROM lambda_invocations
WHERE Start > now() - INTERVAL 1 DAY AND Status NOT IN ('', 'success')
GROUP BY FunctionName, Status, ErrorType
ORDER BY Times DESC""",
    ),
    Recipe(
        "Longest cold starts and their phases",
        """SELECT FunctionName, RequestId, min(Start) AS Began,
       round(maxIf(DurationMs, Phase = 'init')) AS init_ms,
       round(maxIf(DurationMs, Phase = 'extension_init')) AS extension_init_ms,
       round(maxIf(DurationMs, Phase IN ('runtime_init', 'function_init', 'runtime_and_function_init'))) AS rest_ms
FROM lambda_phases
WHERE Start > now() - INTERVAL 1 DAY
GROUP BY FunctionName, RequestId
HAVING init_ms > 0
ORDER BY init_ms DESC
LIMIT 50""",
    ),
    Recipe(
        "Exact concurrency per minute",
        """SELECT Bucket, Peak, round(Avg, 2) AS Average
FROM lambda_concurrency(from = now() - INTERVAL 1 HOUR, to = now(), bucket_s = 60)
WHERE FunctionName = '*'
ORDER BY Bucket""",
    ),
    Recipe(
        "Memory: configured and used",
        """SELECT FunctionName, MemorySizeMB, max(MaxMemoryUsedMB) AS used_mb,
       round(100 * used_mb / MemorySizeMB) AS percent
FROM lambda_invocations
WHERE Start > now() - INTERVAL 1 DAY
GROUP BY FunctionName, MemorySizeMB
ORDER BY percent DESC""",
    ),
    Recipe(
        "What was billed, by function",
        """SELECT FunctionName, count() AS Invocations,
       round(sum(BilledDurationMs * MemorySizeMB) / 1024000, 2) AS gb_seconds
FROM lambda_invocations
WHERE Start > now() - INTERVAL 1 DAY
GROUP BY FunctionName
ORDER BY gb_seconds DESC""",
    ),
    Recipe(
        "Sandboxes that never worked",
        """SELECT FunctionName, InitType, count() AS Sandboxes
FROM lambda_sandboxes
WHERE Invocations = 0
GROUP BY FunctionName, InitType
ORDER BY Sandboxes DESC""",
    ),
)
