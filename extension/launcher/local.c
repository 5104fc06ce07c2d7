#include "local.h"

#include "system.h"

long local_address(struct local_address *address, struct text name, struct text runtime_api)
{
    address->family = LINUX_AF_UNIX;
    struct writer writer = {address->path, sizeof address->path, 0, false};
    write_text(&writer, (struct text){"", 1}); /* the zero in front makes it abstract */
    write_text(&writer, TEXT("lambdascope/"));
    write_text(&writer, name);
    write_text(&writer, TEXT("/"));
    write_text(&writer, runtime_api);
    return writer.overflow ? -1 : (long)(sizeof address->family + writer.length);
}
