"""The documented rules of event sources, one test each, naming the page that has the rule."""

import base64
import itertools

import pytest

from emulator.sources import (
    AsyncConfig,
    AsyncQueue,
    Backoff,
    Condition,
    Outcome,
    SqsConfig,
    SqsSource,
    StreamConfig,
    StreamNames,
    StreamSource,
    dead_letter_attributes,
    destination_record,
    dynamodb_event,
    dynamodb_failure,
    kinesis_event,
    kinesis_failure,
    sqs_event,
)

SECOND = 1_000_000_000
T0 = 1_790_000_000 * SECOND + 123_000_000
NAMES = StreamNames("eu-west-1", "123456789012", "orders", "arn:aws:lambda:eu-west-1:123456789012:function:f")


def stream(**config) -> StreamSource:
    return StreamSource(StreamConfig(**{"retry": Backoff(1.0, 60.0), **config}))


def fill(source: StreamSource, count: int, *, at_ns: int = T0, shard: int = 0, key: str = "k") -> None:
    for number in range(count):
        source.put(key, b"%d" % number, at_ns, shard=shard)


def numbers(batch) -> list[int]:
    return [record.number for record in batch.records]


def total(samples, metric: str) -> float:
    values: list[float] = [sample.value for sample in samples if sample.metric == metric]
    return sum(values)


def run(source: StreamSource, handle) -> None:
    """Drive a source until nothing is left; ``handle`` gives each batch's outcome."""
    due_ns = source.next_poll_ns()
    while due_ns is not None:
        for batch in source.poll(due_ns):
            source.complete(batch, handle(batch), due_ns)
        due_ns = source.next_poll_ns()


# Streams -------------------------------------------------------------------------------------------------------------


def test_a_shard_is_processed_one_batch_at_a_time_in_order():
    """Using Lambda to process records from Kinesis: one batch of records at a time from each shard."""
    source = stream(batch_size=3)
    fill(source, 7)
    (first,) = source.poll(T0)
    assert source.poll(T0) == []
    assert source.next_poll_ns() is None
    source.complete(first, Outcome.SUCCESS, T0 + SECOND)
    (second,) = source.poll(T0 + SECOND)
    assert numbers(first) + numbers(second) == [1, 2, 3, 4, 5, 6]


def test_shards_are_processed_at_the_same_time():
    source = stream(shards=3)
    for shard in range(3):
        fill(source, 1, shard=shard)
    assert [batch.shard for batch in source.poll(T0)] == [0, 1, 2]


def test_the_parallelization_factor_keeps_the_order_of_each_partition_key():
    """ParallelizationFactor: several batches of a shard at once, in order for each partition key."""
    source = stream(parallelization_factor=4, batch_size=2)
    for number in range(40):
        source.put(f"key-{number % 8}", b"", T0 + number, shard=0)
    seen: dict[str, list[int]] = {}
    while batches := source.poll(T0 + 99):
        assert len({batch.lane for batch in batches}) == len(batches)
        for batch in batches:
            for record in batch.records:
                seen.setdefault(record.partition_key, []).append(record.number)
            source.complete(batch, Outcome.SUCCESS, T0 + 99)
    assert sorted(itertools.chain(*seen.values())) == list(range(1, 41))
    assert all(order == sorted(order) for order in seen.values())


def test_the_batching_window_waits_for_a_full_batch_or_its_end():
    """MaximumBatchingWindowInSeconds: the longest time to gather records before invoking the function."""
    source = stream(batch_size=10, batching_window_s=5.0)
    fill(source, 9)
    assert source.poll(T0 + 4 * SECOND) == []
    assert source.next_poll_ns() == T0 + 5 * SECOND
    fill(source, 1, at_ns=T0 + 4 * SECOND)
    (batch,) = source.poll(T0 + 4 * SECOND)
    assert len(batch.records) == 10


def test_a_failed_batch_blocks_its_shard_until_it_is_given_up():
    """MaximumRetryAttempts: retries of the whole batch; other shards go on."""
    source = stream(shards=2, max_retries=2, on_failure_destination="arn:aws:sqs:eu-west-1:123456789012:failed")
    fill(source, 2)
    fill(source, 2, shard=1)
    shards = []

    def handle(batch):
        shards.append(batch.shard)
        return Outcome.FUNCTION_ERROR if batch.shard == 0 else Outcome.SUCCESS

    run(source, handle)
    assert (shards.count(0), shards.count(1)) == (3, 1)
    (discard,) = source.take_discards()
    assert (discard.condition, discard.batch.invoke_count) == (Condition.STREAM_RETRIES, 3)
    samples = source.take_samples()
    assert total(samples, "OnFailureDestinationDeliveredEventCount") == 2
    assert total(samples, "DroppedEventCount") == 0


@pytest.mark.parametrize("poison", [1, 4, 7, 8])
def test_bisecting_isolates_the_poison_record(poison):
    """BisectBatchOnFunctionError: split a failed batch in two; splitting does not use up the retries."""
    source = stream(bisect_on_error=True, max_retries=0)
    fill(source, 8)
    done: list[int] = []

    def handle(batch):
        if poison in numbers(batch):
            return Outcome.FUNCTION_ERROR
        done.extend(numbers(batch))
        return Outcome.SUCCESS

    run(source, handle)
    (discard,) = source.take_discards()
    assert numbers(discard.batch) == [poison]
    assert done == [number for number in range(1, 9) if number != poison]
    assert total(source.take_samples(), "DroppedEventCount") == 1


def test_a_partial_answer_retries_from_the_first_failure():
    """ReportBatchItemFailures: the lowest sequence number is the checkpoint, what follows is retried."""
    source = stream()
    fill(source, 5)
    (batch,) = source.poll(T0)
    source.complete(batch, Outcome.SUCCESS, T0, first_failed=3)
    (again,) = source.poll(T0 + 10 * SECOND)
    assert numbers(again) == [4, 5]


def test_throttling_uses_up_no_retries():
    """Before invocation: it retries until the records expire or exceed the maximum age."""
    source = stream(max_retries=0)
    fill(source, 1)
    for _ in range(20):
        now_ns = source.next_poll_ns()
        assert now_ns is not None
        (batch,) = source.poll(now_ns)
        source.complete(batch, Outcome.NOT_INVOKED, now_ns)
    assert source.take_discards() == []
    assert total(source.take_samples(), "InvokedEventCount") == 0


def test_records_above_the_maximum_age_are_discarded():
    """MaximumRecordAgeInSeconds."""
    source = stream(max_record_age_s=60.0, batch_size=2)
    fill(source, 3)
    fill(source, 1, at_ns=T0 + 50 * SECOND)
    (batch,) = source.poll(T0 + 61 * SECOND)
    assert numbers(batch) == [4]
    discards = source.take_discards()
    assert [numbers(discard.batch) for discard in discards] == [[1, 2], [3]]
    assert {(discard.condition, discard.batch.invoke_count) for discard in discards} == {(Condition.STREAM_AGE, 0)}


def test_a_failing_batch_is_discarded_at_the_maximum_age():
    source = stream(max_record_age_s=60.0)
    fill(source, 2)
    run(source, lambda _: Outcome.FUNCTION_ERROR)
    (discard,) = source.take_discards()
    assert discard.condition == Condition.STREAM_AGE
    assert discard.batch.invoke_count > 3


def test_the_stream_itself_forgets_records_at_the_end_of_their_retention():
    """DynamoDB Streams keep 24 hours. What they drop is not in DroppedEventCount."""
    source = stream(retention_s=100.0)
    source.enabled = False
    fill(source, 4)
    fill(source, 1, at_ns=T0 + 99 * SECOND)
    assert source.next_poll_ns() is None
    source.enabled = True
    (batch,) = source.poll(T0 + 100 * SECOND)
    assert (numbers(batch), source.expired) == ([5], 4)
    assert total(source.take_samples(), "DroppedEventCount") == 0


def test_a_paused_mapping_catches_up_with_a_high_iterator_age():
    source = stream()
    source.enabled = False
    fill(source, 1)
    assert source.poll(T0 + SECOND) == []
    assert list(source.backlog()) == [(0, 1, T0)]
    source.enabled = True
    (batch,) = source.poll(T0 + 3600 * SECOND)
    assert batch.iterator_age_ns == 3600 * SECOND


def test_an_idle_mapping_reports_zero_polled_events():
    """PolledEventCount is emitted as 0 on empty polls."""
    source = stream()
    source.poll(T0)
    source.poll(T0 + 1)
    assert [(sample.metric, sample.value) for sample in source.take_samples()] == [("PolledEventCount", 0)]


def test_kinesis_events_have_the_published_shape():
    """The example event of "Using Lambda with Amazon Kinesis"."""
    source = stream(shards=7)
    source.put("1", b"Hello", T0, shard=6)
    (batch,) = source.poll(T0)
    (record,) = kinesis_event(batch, NAMES)["Records"]
    number = record["kinesis"]["sequenceNumber"]
    assert record == {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "1",
            "sequenceNumber": number,
            "data": base64.b64encode(b"Hello").decode(),
            "approximateArrivalTimestamp": 1_790_000_000.123,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000006:{number}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::123456789012:role/lambda-role",
        "awsRegion": "eu-west-1",
        "eventSourceARN": "arn:aws:kinesis:eu-west-1:123456789012:stream/orders",
    }
    assert (len(number), number.isdigit()) == (56, True)


def test_dynamodb_events_have_the_published_shape():
    """The example event of "Using Lambda with Amazon DynamoDB": whole seconds, ARN of the table's stream."""
    source = stream()
    source.put("101", {"Id": {"S": "101"}}, T0)
    (batch,) = source.poll(T0)
    (record,) = dynamodb_event(batch, NAMES)["Records"]
    assert record["dynamodb"]["ApproximateCreationDateTime"] == 1_790_000_000
    assert record["dynamodb"]["Keys"] == {"Id": {"S": "101"}}
    assert record["eventSourceARN"] == (
        "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000"
    )
    assert set(record) == {
        "eventID", "eventName", "eventVersion", "eventSource", "awsRegion", "dynamodb", "eventSourceARN"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("make", "key", "time"),
    [
        (kinesis_failure, "KinesisBatchInfo", "2026-09-21T14:13:20.123Z"),
        (dynamodb_failure, "DDBStreamBatchInfo", "2026-09-21T14:13:20Z"),
    ],
)
def test_on_failure_records_tell_where_the_records_are(make, key, time):
    """The example invocation records of both pages about discarded records."""
    source = stream(max_retries=0)
    fill(source, 2)
    (batch,) = source.poll(T0)
    source.complete(batch, Outcome.FUNCTION_ERROR, T0 + SECOND)
    record = make(source.take_discards()[0], NAMES, "request-1")
    assert record["requestContext"] == {
        "requestId": "request-1",
        "functionArn": NAMES.function_arn,
        "condition": "RetryAttemptsExhausted",
        "approximateInvokeCount": 1,
    }
    assert record["responseContext"] == {
        "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"
    }  # fmt: skip
    assert (record["version"], record["timestamp"]) == ("1.0", "2026-09-21T14:13:21.123Z")
    assert (record[key]["batchSize"], record[key]["approximateArrivalOfLastRecord"]) == (2, time)


# SQS -----------------------------------------------------------------------------------------------------------------


def queue(**config) -> SqsSource:
    ids = itertools.count()
    return SqsSource(SqsConfig(**config), lambda: f"message-{next(ids)}")


def test_five_batches_at_first_and_more_while_messages_are_left():
    """Configuring scaling behavior for SQS: five batches at a time, then up to 300 more per minute, up to 1,000."""
    source = queue(batch_size=1)
    for _ in range(3000):
        source.send("", T0)
    assert len(source.poll(T0)) == 5
    assert source.next_poll_ns() == T0 + SECOND // 5


def test_the_number_of_pollers_after_some_minutes():
    source = queue(batch_size=1)
    for _ in range(3000):
        source.send("", T0)
    in_flight = len(source.poll(T0))
    reached = []
    for second in range(1, 300):
        in_flight += len(source.poll(T0 + second * SECOND))
        reached.append(in_flight)
    assert [reached[59], reached[119], reached[-1]] == [305, 605, 1000]


def test_maximum_concurrency_limits_the_mapping():
    source = queue(batch_size=1, maximum_concurrency=2)
    for _ in range(10):
        source.send("", T0)
    assert len(source.poll(T0)) == 2
    assert source.poll(T0 + 600 * SECOND) == []


def test_failed_messages_come_back_after_the_visibility_timeout():
    """Error handling for an SQS event source: all messages of the batch become visible again."""
    source = queue(visibility_timeout_s=30.0)
    source.send("a", T0)
    (batch,) = source.poll(T0)
    source.complete(batch, Outcome.FUNCTION_ERROR, T0 + SECOND)
    assert source.poll(T0 + 29 * SECOND) == []
    assert source.next_poll_ns() == T0 + 30 * SECOND
    (again,) = source.poll(T0 + 30 * SECOND)
    assert again.messages[0].receives == 2
    assert again.messages[0].first_received_ns == T0


def test_a_message_received_too_often_goes_to_the_dead_letter_queue():
    """Redrive policy: maxReceiveCount."""
    source = queue(visibility_timeout_s=1.0, max_receive_count=3)
    source.send("poison", T0)
    received = 0
    for second in range(10):
        for batch in source.poll(T0 + second * SECOND):
            received += 1
            source.complete(batch, Outcome.FUNCTION_ERROR, T0 + second * SECOND)
    assert received == 3
    assert [message.body for message in source.dead_letters] == ["poison"]


def test_partial_failures_delete_the_rest():
    """ReportBatchItemFailures for SQS; DeletedEventCount."""
    source = queue()
    ids = [source.send(str(number), T0).id for number in range(4)]
    (batch,) = source.poll(T0)
    source.complete(batch, Outcome.SUCCESS, T0, failed_ids={ids[2]})
    samples = source.take_samples()
    assert total(samples, "DeletedEventCount") == 3
    assert total(samples, "FailedInvokeEventCount") == 1
    (again,) = source.poll(T0 + 60 * SECOND)
    assert [message.id for message in again.messages] == [ids[2]]


def test_the_batch_window_of_a_queue_counts_only_visible_messages():
    source = queue(batch_size=3, batching_window_s=10.0, visibility_timeout_s=60.0)
    for _ in range(2):
        source.send("hidden soon", T0)
    (batch,) = source.poll(T0 + 10 * SECOND)
    source.complete(batch, Outcome.FUNCTION_ERROR, T0 + 10 * SECOND)
    source.send("alone", T0 + 11 * SECOND)
    assert source.poll(T0 + 12 * SECOND) == []
    (alone,) = source.poll(T0 + 21 * SECOND)
    assert len(alone.messages) == 1


def test_messages_expire_at_the_end_of_the_queues_retention():
    source = queue(retention_s=60.0)
    source.send("old", T0)
    assert source.poll(T0 + 60 * SECOND) == []
    assert source.expired == 1


def test_sqs_events_have_the_published_shape():
    """The example event of "Using Lambda with Amazon SQS"."""
    source = queue()
    source.send("Test message.", T0)
    (batch,) = source.poll(T0 + 2_000_000)
    (record,) = sqs_event(batch, "arn:aws:sqs:us-east-2:123456789012:my-queue")["Records"]
    handle = record.pop("receiptHandle")
    assert handle.startswith("AQEB")
    assert record == {
        "messageId": "message-0",
        "body": "Test message.",
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1790000000123",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1790000000125",
        },
        "messageAttributes": {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-2:123456789012:my-queue",
        "awsRegion": "us-east-2",
    }


# Asynchronous invocation ---------------------------------------------------------------------------------------------


def asynchronous(**config) -> AsyncQueue:
    ids = itertools.count()
    return AsyncQueue(AsyncConfig(**config), lambda: f"request-{next(ids)}")


def drive(source: AsyncQueue, outcome: Outcome, now_ns: int = T0) -> list[int]:
    """The times of all attempts in seconds, each with the same outcome."""
    times = []
    due_ns = source.next_poll_ns()
    while due_ns is not None:
        for event in source.poll(due_ns):
            times.append((due_ns - now_ns) // SECOND)
            source.complete(event, outcome, due_ns)
        due_ns = source.next_poll_ns()
    return times


def test_errors_are_retried_after_one_and_two_minutes():
    source = asynchronous()
    source.send({}, T0)
    assert drive(source, Outcome.FUNCTION_ERROR) == [0, 60, 180]
    (end,) = source.take_ends()
    assert (end.condition, end.event.attempts) == (Condition.ASYNC_RETRIES, 3)


def test_throttled_events_are_retried_with_growing_delays_until_they_are_too_old():
    """From 1 second to 5 minutes, for up to 6 hours."""
    source = asynchronous()
    source.send({}, T0)
    times = drive(source, Outcome.NOT_INVOKED)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert gaps[:10] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert set(gaps[9:]) == {300}
    assert 21_300 < times[-1] <= 21_600
    (end,) = source.take_ends()
    assert (end.condition, end.event.attempts) == (Condition.ASYNC_AGE, 0)
    assert total(source.take_samples(), "AsyncEventsDropped") == 1


@pytest.mark.parametrize(("retries", "attempts"), [(0, [0]), (1, [0, 60]), (2, [0, 60, 180])])
def test_the_number_of_retries_can_be_set(retries, attempts):
    source = asynchronous(max_retries=retries)
    source.send({}, T0)
    assert drive(source, Outcome.FUNCTION_ERROR) == attempts


def test_a_function_with_reserved_concurrency_0_gives_events_up_without_an_attempt():
    """Configuring reserved concurrency: events go to the dead-letter queue or destination without retries."""
    source = asynchronous()
    source.send({}, T0)
    assert source.poll(T0, disabled=True) == []
    (end,) = source.take_ends()
    assert (end.condition, end.event.attempts) == (Condition.ASYNC_DISABLED, 0)


def test_attempts_share_one_request_id_and_the_age_grows():
    source = asynchronous()
    sent = source.send({}, T0)
    (first,) = source.poll(T0)
    source.complete(first, Outcome.FUNCTION_ERROR, T0 + SECOND)
    (second,) = source.poll(T0 + 61 * SECOND)
    assert first is second is sent
    ages = [sample.value for sample in source.take_samples() if sample.metric == "AsyncEventAge"]
    assert ages == [0, 61_000]


def test_destination_records_have_the_published_shape():
    """The example record of "Capturing records of Lambda asynchronous invocations"."""
    source = asynchronous(on_failure="arn:aws:sqs:eu-west-1:123456789012:failed")
    source.send({"ORDER_IDS": [1]}, T0)
    drive(source, Outcome.FUNCTION_ERROR)
    (end,) = source.take_ends()
    arn = NAMES.function_arn + ":$LATEST"
    assert destination_record(end, arn, "$LATEST", {"errorMessage": "no"}) == {
        "version": "1.0",
        "timestamp": "2026-09-21T14:16:20.123Z",
        "requestContext": {
            "requestId": "request-0",
            "functionArn": arn,
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": {"ORDER_IDS": [1]},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {"errorMessage": "no"},
    }
    assert dead_letter_attributes(end, "x" * 2000) == {
        "RequestID": "request-0",
        "ErrorCode": "200",
        "ErrorMessage": "x" * 1024,
    }
