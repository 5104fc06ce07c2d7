#include "exchange.h"

#include "bytes.h"

void exchange_begin(struct exchange *exchange)
{
    *exchange = (struct exchange){.blind = false};
    message_begin(&exchange->request, false);
    message_begin(&exchange->answer, true);
}

/* "GET /2018-06-01/runtime/invocation/next HTTP/1.1", of whichever version of the API, with or without a query. */
static bool is_next(struct text line)
{
    const struct text method = TEXT("GET "), path = TEXT("/runtime/invocation/next");
    if (!text_starts_with(line, method))
        return false;
    struct text target = {line.at + method.length, 0};
    while (method.length + target.length < line.length && target.at[target.length] != ' ' && target.at[target.length] != '?')
        target.length++;
    if (target.length < path.length)
        return false;
    return text_equal((struct text){target.at + target.length - path.length, path.length}, path);
}

static bool is_without_body_in_its_answer(struct text line)
{
    return text_starts_with(line, TEXT("HEAD ")) || text_starts_with(line, TEXT("CONNECT "));
}

static void request_begins(struct exchange *exchange, struct text line)
{
    exchange->asks_next = is_next(line);
    exchange->blind = exchange->blind || is_without_body_in_its_answer(line) || exchange->outstanding == MOST_OUTSTANDING;
    if (exchange->blind)
        return;
    if (exchange->asks_next)
        exchange->events |= (uint32_t)1 << exchange->outstanding;
    exchange->outstanding++;
}

void exchange_request(struct exchange *exchange, struct text data)
{
    struct text body;
    while (!exchange->blind)
        switch (message_read(&exchange->request, &data, &body)) {
        case MESSAGE_MORE:
            return;
        case MESSAGE_LINE:
            if (exchange->request.lines == 1)
                request_begins(exchange, message_line(&exchange->request));
            break;
        case MESSAGE_LOST:
            exchange->blind = true;
            break;
        default:
            break;
        }
}

static void keep_request_id(struct exchange *exchange, struct text line)
{
    struct text value;
    if (!header_value(line, TEXT("lambda-runtime-aws-request-id"), &value))
        return;
    bool usable = text_is_token(value) && value.length <= REQUEST_ID_CAPACITY;
    exchange->request_id_length = usable ? value.length : 0;
    memcpy(exchange->request_id, value.at, exchange->request_id_length);
}

static void answer_begins(struct exchange *exchange, const struct exchange_owner *owner)
{
    if (exchange->answer.status / 100 == 1)
        return; /* the answer itself is still to come */
    if (exchange->outstanding == 0) {
        exchange->blind = true;
        return;
    }
    bool event = exchange->events & 1 && exchange->answer.status == 200 && exchange->request_id_length > 0;
    exchange->events >>= 1;
    exchange->outstanding--;
    if (event)
        exchange->capture = owner->open();
}

static void answer_ends(struct exchange *exchange, const struct exchange_owner *owner)
{
    if (exchange->capture)
        owner->take(exchange->capture, (struct text){exchange->request_id, exchange->request_id_length});
    exchange->capture = NULL;
    exchange->request_id_length = 0;
}

void exchange_answer(struct exchange *exchange, struct text data, const struct exchange_owner *owner)
{
    struct text body = TEXT("");
    while (!exchange->blind)
        switch (message_read(&exchange->answer, &data, &body)) {
        case MESSAGE_MORE:
            return;
        case MESSAGE_LINE:
            keep_request_id(exchange, message_line(&exchange->answer));
            break;
        case MESSAGE_HEAD:
            answer_begins(exchange, owner);
            break;
        case MESSAGE_BODY:
            if (exchange->capture)
                capture_read(exchange->capture, body);
            break;
        case MESSAGE_END:
            answer_ends(exchange, owner);
            break;
        case MESSAGE_LOST:
            exchange->blind = true;
            break;
        }
}
