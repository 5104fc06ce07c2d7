/*
 * The least that an extension can do: what the launcher is compared with. The same calls, static and without a C library
 * too, but with constant requests, one read for each answer and no look at it, and nothing handed over: it asks for event
 * after event, and throws the telemetry away. AWS_LAMBDA_RUNTIME_API must be 127.0.0.1:PORT.
 */
#include "bytes.h"
#include "program.h"
#include "system.h"

#define SEND(to, text) system_call(SYS_SENDTO, to, (long)(text), sizeof(text) - 1, LINUX_MSG_NOSIGNAL, 0, 0)
#define RECEIVE(from) system_call(SYS_RECVFROM, from, (long)answer, sizeof answer, 0, 0, 0)
#define IDENTIFIED "Host: a\r\nLambda-Extension-Identifier: 00000000-0000-0000-0000-000000000000\r\n"
enum { IDENTIFIER_LENGTH = 36 };

static char answer[1 << 20], identifier[IDENTIFIER_LENGTH];
static char subscribe[] = "PUT /2022-07-01/telemetry HTTP/1.1\r\nContent-Length: 126\r\n" IDENTIFIED
    "\r\n{\"schemaVersion\":\"2025-01-29\",\"types\":[\"platform\"],"
    "\"destination\":{\"protocol\":\"HTTP\",\"URI\":\"http://sandbox.localdomain:00000\"}}";
static char next[] = "GET /2020-01-01/extension/event/next HTTP/1.1\r\n" IDENTIFIED "\r\n";

int program_main(char *const *argv, const char *path, char *const *environment)
{
    struct linux_sockaddr_in address = {.family = LINUX_AF_INET}, any = address;
    int port = 0, size = sizeof any;
    (void)argv, (void)path;
    while (memcmp(*environment, "AWS_LAMBDA_RUNTIME_API=", 23) != 0)
        environment++;
    for (const char *digit = *environment + 33; *digit; digit++)
        port = port * 10 + (*digit - '0');
    address.port = (uint16_t)(port << 8 | port >> 8);
    address.address = 0x0100007f;
    int api = (int)system_call3(SYS_SOCKET, LINUX_AF_INET, LINUX_SOCK_STREAM, 0);
    system_call3(SYS_CONNECT, api, (long)&address, sizeof address);
    SEND(api, "POST /2020-01-01/extension/register HTTP/1.1\r\nHost: a\r\nLambda-Extension-Name: least\r\n"
              "Content-Length: 32\r\n\r\n{\"events\":[\"INVOKE\",\"SHUTDOWN\"]}");
    RECEIVE(api);
    for (char *at = answer; *at; at++) /* the header's name in any case */
        if ((at[0] | 32) == '-' && (at[1] | 32) == 'i' && (at[2] | 32) == 'd' && (at[11] | 32) == ':')
            memcpy(identifier, at + 13, IDENTIFIER_LENGTH);
    memcpy(subscribe + sizeof("PUT /2022-07-01/telemetry HTTP/1.1\r\nContent-Length: 126\r\nHost: a\r\n"
                              "Lambda-Extension-Identifier: ") - 1, identifier, IDENTIFIER_LENGTH);
    memcpy(next + sizeof("GET /2020-01-01/extension/event/next HTTP/1.1\r\nHost: a\r\nLambda-Extension-Identifier: ") - 1,
           identifier, IDENTIFIER_LENGTH);
    int listener = (int)system_call3(SYS_SOCKET, LINUX_AF_INET, LINUX_SOCK_STREAM, 0);
    system_call3(SYS_BIND, listener, (long)&any, sizeof any);
    system_call3(SYS_LISTEN, listener, 128, 0);
    system_call3(SYS_GETSOCKNAME, listener, (long)&any, (long)&size);
    port = (uint16_t)(any.port << 8 | any.port >> 8);
    for (char *digit = subscribe + sizeof subscribe - 5; port; port /= 10)
        *digit-- = (char)('0' + port % 10);
    SEND(api, subscribe);
    RECEIVE(api);
    SEND(api, next);
    for (;;) {
        struct linux_pollfd wanted[] = {{api, LINUX_POLLIN, 0}, {listener, LINUX_POLLIN, 0}};
        system_call(SYS_PPOLL, (long)wanted, 2, 0, 0, 0, 0);
        if (wanted[0].revents && (RECEIVE(api) <= 0 || SEND(api, next) <= 0))
            return 0;
        if (wanted[1].revents) {
            int delivery = (int)system_call(SYS_ACCEPT4, listener, 0, 0, 0, 0, 0);
            RECEIVE(delivery);
            SEND(delivery, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            close_fd(delivery);
        }
    }
}
