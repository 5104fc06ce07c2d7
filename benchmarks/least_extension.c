/*
 * The least that an extension can do: what the launcher is compared with. The same calls, static and without a C library
 * too, but with constant requests, one read for each answer and no look at it, and nothing handed over.
 * AWS_LAMBDA_RUNTIME_API must be 127.0.0.1:NNNNN.
 */
#include "bytes.h"
#include "launcher.h"
#include "system.h"

#define SEND(text) system_call(SYS_SENDTO, api, (long)(text), sizeof(text) - 1, LINUX_MSG_NOSIGNAL, 0, 0)
#define RECEIVE() system_call(SYS_RECVFROM, api, (long)answer, sizeof answer, 0, 0, 0)

int launcher_main(const char *called, const char *path, char *const *environment)
{
    static char answer[4096];
    struct linux_sockaddr_in address = {.family = LINUX_AF_INET}, any = address;
    int port = 0, size = sizeof any;
    (void)called, (void)path;
    while (memcmp(*environment, "AWS_LAMBDA_RUNTIME_API=", 23) != 0)
        environment++;
    for (const char *digit = *environment + 33; *digit; digit++)
        port = port * 10 + (*digit - '0');
    address.port = (uint16_t)(port << 8 | port >> 8);
    address.address = 0x0100007f;
    long api = system_call3(SYS_SOCKET, LINUX_AF_INET, LINUX_SOCK_STREAM, 0);
    system_call3(SYS_CONNECT, api, (long)&address, sizeof address);
    SEND("POST /2020-01-01/extension/register HTTP/1.1\r\nHost: a\r\nLambda-Extension-Name: least\r\n"
         "Content-Length: 32\r\n\r\n{\"events\":[\"INVOKE\",\"SHUTDOWN\"]}");
    RECEIVE();
    long listener = system_call3(SYS_SOCKET, LINUX_AF_INET, LINUX_SOCK_STREAM, 0);
    system_call3(SYS_BIND, listener, (long)&any, sizeof any);
    system_call3(SYS_LISTEN, listener, 128, 0);
    system_call3(SYS_GETSOCKNAME, listener, (long)&any, (long)&size);
    SEND("PUT /2022-07-01/telemetry HTTP/1.1\r\nHost: a\r\nContent-Length: 126\r\n\r\n{\"schemaVersion\":\"2025-01-29\","
         "\"types\":[\"platform\"],\"destination\":{\"protocol\":\"HTTP\",\"URI\":\"http://sandbox.localdomain:00000\"}}");
    RECEIVE();
    SEND("GET /2020-01-01/extension/event/next HTTP/1.1\r\nHost: a\r\n\r\n");
    RECEIVE();
    return 0;
}
