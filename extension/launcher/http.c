#include "http.h"

#include "bytes.h"

enum framing { FRAMED_BY_END, FRAMED_BY_LENGTH, FRAMED_BY_CHUNKS };

struct head {
    int status;
    bool close;
    bool expects; /* a word from us before the body */
    enum framing framing;
    int64_t length;
    struct text identifier;
};

static const int64_t MOST_BYTES = 1 << 30;

/* Takes the line off the front of `rest`, without its CRLF or LF. */
static bool take_line(struct text *rest, struct text *line)
{
    for (size_t i = 0; i < rest->length; i++)
        if (rest->at[i] == '\n') {
            *line = (struct text){rest->at, i > 0 && rest->at[i - 1] == '\r' ? i - 1 : i};
            rest->at += i + 1;
            rest->length -= i + 1;
            return true;
        }
    return false;
}

static bool read_status_line(struct text line, struct head *head)
{
    if (line.length < 12 || !text_starts_with(line, TEXT("HTTP/1.")) || line.at[8] != ' ')
        return false;
    if (line.length > 12 && line.at[12] != ' ')
        return false;
    head->status = (int)text_decimal((struct text){line.at + 9, 3}, 999);
    head->close = line.at[7] == '0';
    return head->status >= 100 && (line.at[7] == '0' || line.at[7] == '1');
}

static bool read_content_length(struct text value, struct head *head)
{
    int64_t length = text_decimal(value, MOST_BYTES);
    bool agrees = head->framing != FRAMED_BY_LENGTH || head->length == length;
    if (head->framing != FRAMED_BY_CHUNKS) { /* chunks win, RFC 9112 section 6.3 */
        head->framing = FRAMED_BY_LENGTH;
        head->length = length;
    }
    return length >= 0 && agrees;
}

static bool read_header(struct text line, struct head *head)
{
    size_t colon = 0;
    while (colon < line.length && line.at[colon] != ':')
        colon++;
    struct text name = {line.at, colon};
    if (colon == line.length || !text_is_token(name))
        return false;
    struct text value = text_trimmed((struct text){line.at + colon + 1, line.length - colon - 1});
    if (text_equal_ignoring_case(name, TEXT("content-length")))
        return read_content_length(value, head);
    if (text_equal_ignoring_case(name, TEXT("transfer-encoding"))) {
        head->framing = FRAMED_BY_CHUNKS;
        return text_equal_ignoring_case(value, TEXT("chunked"));
    }
    if (text_equal_ignoring_case(name, TEXT("connection")))
        head->close = head->close || text_equal_ignoring_case(value, TEXT("close"));
    if (text_equal_ignoring_case(name, TEXT("expect")))
        head->expects = true;
    if (text_equal_ignoring_case(name, TEXT("lambda-extension-identifier")))
        head->identifier = value;
    return true;
}

typedef bool read_first_line(struct text line, struct head *head);

static enum http_progress read_head(struct text *rest, read_first_line *read_first, struct head *head)
{
    struct text line;
    *head = (struct head){.framing = FRAMED_BY_END, .identifier = TEXT("")};
    if (!take_line(rest, &line))
        return HTTP_MORE;
    if (!read_first(line, head))
        return HTTP_BAD;
    for (;;) {
        if (!take_line(rest, &line))
            return HTTP_MORE;
        if (line.length == 0)
            return HTTP_DONE;
        if (!read_header(line, head))
            return HTTP_BAD;
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The size in front of a chunk, which extensions may follow; -1 where there is none. */
static int64_t chunk_size(struct text line)
{
    int64_t size = 0;
    size_t i = 0;
    for (; i < line.length && hex_digit(line.at[i]) >= 0; i++) {
        size = size * 16 + hex_digit(line.at[i]);
        if (size > MOST_BYTES)
            return -1;
    }
    bool ended = i == line.length || line.at[i] == ';' || line.at[i] == ' ' || line.at[i] == '\t';
    return i > 0 && ended ? size : -1;
}

/* Takes one chunk off `rest`. An empty `chunk` is the last one, whose trailers are taken too. */
static enum http_progress take_chunk(struct text *rest, struct text *chunk)
{
    struct text line;
    if (!take_line(rest, &line))
        return HTTP_MORE;
    int64_t size = chunk_size(line);
    if (size < 0)
        return HTTP_BAD;
    *chunk = (struct text){rest->at, (size_t)size};
    if (size == 0) {
        do
            if (!take_line(rest, &line))
                return HTTP_MORE;
        while (line.length > 0);
        return HTTP_DONE;
    }
    if (rest->length <= (size_t)size)
        return HTTP_MORE;
    rest->at += size;
    rest->length -= (size_t)size;
    if (!take_line(rest, &line))
        return HTTP_MORE;
    return line.length == 0 ? HTTP_DONE : HTTP_BAD;
}

/* Walks over the chunks; moves them together to `to` where that is not NULL. */
static enum http_progress walk_chunks(struct text *rest, char *to, size_t *length)
{
    struct text chunk;
    *length = 0;
    for (;;) {
        enum http_progress progress = take_chunk(rest, &chunk);
        if (progress != HTTP_DONE || chunk.length == 0)
            return progress;
        if (to)
            memmove(to + *length, chunk.at, chunk.length);
        *length += chunk.length;
    }
}

static enum http_progress read_chunked(char *buffer, struct text *rest, struct text *body)
{
    /* Twice, because only a whole body may be moved: until then the buffer is read anew each time. */
    struct text again = *rest;
    size_t length;
    enum http_progress progress = walk_chunks(&again, NULL, &length);
    if (progress != HTTP_DONE)
        return progress;
    char *to = buffer + (rest->at - buffer);
    progress = walk_chunks(rest, to, &length);
    *body = (struct text){to, length};
    return progress;
}

static enum http_progress read_body(char *buffer, struct text *rest, bool ended, struct head *head, struct text *body)
{
    if (head->status == 204 || head->status == 304) {
        *body = (struct text){rest->at, 0};
        return HTTP_DONE;
    }
    if (head->framing == FRAMED_BY_CHUNKS)
        return read_chunked(buffer, rest, body);
    if (head->framing == FRAMED_BY_END) {
        head->close = true;
        *body = *rest;
        *rest = (struct text){rest->at + rest->length, 0};
        return ended ? HTTP_DONE : HTTP_MORE;
    }
    if (rest->length < (size_t)head->length)
        return HTTP_MORE;
    *body = (struct text){rest->at, (size_t)head->length};
    rest->at += head->length;
    rest->length -= (size_t)head->length;
    return HTTP_DONE;
}

enum http_progress http_read(char *buffer, size_t length, bool ended, struct http_answer *answer)
{
    struct text rest = {buffer, length}, body;
    struct head head;
    enum http_progress progress;
    do /* an interim answer (1xx) has no body and another answer behind it */
        progress = read_head(&rest, read_status_line, &head);
    while (progress == HTTP_DONE && head.status < 200);
    if (progress == HTTP_DONE)
        progress = read_body(buffer, &rest, ended, &head, &body);
    if (progress == HTTP_DONE)
        *answer = (struct http_answer){
            .status = head.status,
            .reusable = !head.close && !ended && rest.length == 0, /* more than was asked for: out of step */
            .identifier = head.identifier,
            .body = body,
        };
    return progress == HTTP_MORE && ended ? HTTP_BAD : progress;
}

static bool read_request_line(struct text line, struct head *head)
{
    struct text version = TEXT(" HTTP/1.1");
    (void)head;
    return (text_starts_with(line, TEXT("POST ")) || text_starts_with(line, TEXT("PUT ")))
        && line.length > version.length
        && text_equal((struct text){line.at + line.length - version.length, version.length}, version);
}

enum http_progress http_read_request(const char *buffer, size_t length, struct http_request *request)
{
    struct text rest = {buffer, length};
    struct head head;
    enum http_progress progress = read_head(&rest, read_request_line, &head);
    if (progress != HTTP_DONE)
        return progress;
    if (head.framing != FRAMED_BY_LENGTH || head.expects)
        return HTTP_BAD;
    if (rest.length < (size_t)head.length)
        return HTTP_MORE;
    *request = (struct http_request){
        .close = head.close,
        .body = {rest.at, (size_t)head.length},
        .length = (size_t)(rest.at - buffer) + (size_t)head.length,
    };
    return HTTP_DONE;
}
