#include "message.h"

enum state { IN_HEAD, IN_BODY, IN_CHUNK_SIZE, IN_CHUNK, AFTER_CHUNK, IN_TRAILERS, AT_END };

enum { MOST_HEX_DIGITS = 12 };

void message_begin(struct message *message, bool answer)
{
    *message = (struct message){.state = IN_HEAD, .answer = answer, .left = -1};
}

struct text message_line(const struct message *message)
{
    return (struct text){message->line, message->length < LINE_CAPACITY ? message->length : LINE_CAPACITY};
}

bool header_value(struct text line, struct text name, struct text *value)
{
    if (line.length <= name.length || line.at[name.length] != ':')
        return false;
    if (!text_equal_ignoring_case((struct text){line.at, name.length}, name))
        return false;
    *value = text_trimmed((struct text){line.at + name.length + 1, line.length - name.length - 1});
    return true;
}

/* Appends up to the line feed; true where it was reached. Neither it nor a carriage return before it belongs to the line. */
static bool read_line(struct message *message, struct text *data)
{
    while (data->length > 0) {
        char c = data->at[0];
        data->at++;
        data->length--;
        if (c == '\n') {
            if (message->length > 0 && message->length <= LINE_CAPACITY && message->line[message->length - 1] == '\r')
                message->length--;
            return true;
        }
        if (message->length < LINE_CAPACITY)
            message->line[message->length] = c;
        if (message->length <= LINE_CAPACITY)
            message->length++;
    }
    return false;
}

static enum message_step lost(struct message *message)
{
    message->lost = true;
    return MESSAGE_LOST;
}

static bool read_status(struct message *message, struct text line)
{
    if (line.length < 12 || !text_starts_with(line, TEXT("HTTP/1.")) || line.at[8] != ' ')
        return false;
    message->status = (int)text_decimal((struct text){line.at + 9, 3}, 999);
    return message->status >= 100;
}

static bool read_framing(struct message *message, struct text line)
{
    struct text value;
    if (header_value(line, TEXT("transfer-encoding"), &value))
        return message->chunked = text_equal_ignoring_case(value, TEXT("chunked"));
    if (header_value(line, TEXT("content-length"), &value)) {
        int64_t length = text_decimal(value, INT64_MAX);
        bool same = message->left < 0 || message->left == length;
        message->left = length;
        return length >= 0 && same;
    }
    return true;
}

static enum message_step after_head(struct message *message)
{
    bool bare = message->answer && (message->status / 100 == 1 || message->status == 204 || message->status == 304);
    if (message->status == 101)
        return lost(message); /* another protocol */
    message->endless = message->answer && !bare && !message->chunked && message->left < 0;
    if (bare || (!message->chunked && !message->endless && message->left <= 0))
        message->state = AT_END;
    else
        message->state = message->chunked ? IN_CHUNK_SIZE : IN_BODY;
    return MESSAGE_HEAD;
}

static enum message_step read_head(struct message *message, struct text *data)
{
    while (read_line(message, data)) {
        struct text line = message_line(message);
        if (line.length == 0 && message->lines == 0)
            continue; /* blank lines before a message are skipped */
        if (line.length == 0)
            return after_head(message);
        bool understood = message->lines == 0 ? !message->answer || read_status(message, line) : read_framing(message, line);
        message->lines++;
        message->told = true;
        return understood ? MESSAGE_LINE : lost(message);
    }
    return MESSAGE_MORE;
}

static enum message_step read_piece(struct message *message, struct text *data, struct text *body)
{
    size_t size = data->length;
    if (size == 0)
        return MESSAGE_MORE;
    if (!message->endless && (int64_t)size > message->left)
        size = (size_t)message->left;
    *body = (struct text){data->at, size};
    data->at += size;
    data->length -= size;
    if (!message->endless)
        message->left -= (int64_t)size;
    if (!message->endless && message->left == 0)
        message->state = message->chunked ? AFTER_CHUNK : AT_END;
    return MESSAGE_BODY;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool read_chunk_size(struct message *message)
{
    struct text line = message_line(message);
    size_t digits = 0;
    message->left = 0;
    while (digits < line.length && digits < MOST_HEX_DIGITS && hex_digit(line.at[digits]) >= 0)
        message->left = message->left * 16 + hex_digit(line.at[digits++]);
    message->length = 0;
    return digits > 0 && (digits == line.length || hex_digit(line.at[digits]) < 0);
}

/* The lines between the chunks, which are no part of the body. */
static enum message_step read_between(struct message *message, struct text *data)
{
    if (!read_line(message, data))
        return MESSAGE_MORE;
    bool blank = message->length == 0;
    switch (message->state) {
    case IN_CHUNK_SIZE:
        if (!read_chunk_size(message))
            return lost(message);
        message->state = message->left > 0 ? IN_CHUNK : IN_TRAILERS;
        break;
    case AFTER_CHUNK:
        message->state = IN_CHUNK_SIZE;
        message->length = 0;
        if (!blank)
            return lost(message);
        break;
    default:
        message->state = blank ? AT_END : IN_TRAILERS;
        message->length = 0;
    }
    return MESSAGE_LINE;
}

enum message_step message_read(struct message *message, struct text *data, struct text *body)
{
    if (message->told)
        message->length = 0;
    message->told = false;
    for (enum message_step step; !message->lost;)
        switch (message->state) {
        case IN_HEAD:
            return read_head(message, data);
        case IN_BODY:
        case IN_CHUNK:
            return read_piece(message, data, body);
        case AT_END:
            message_begin(message, message->answer);
            return MESSAGE_END;
        default:
            if ((step = read_between(message, data)) != MESSAGE_LINE)
                return step;
        }
    return MESSAGE_LOST;
}
