#include "layout.h"

#include "system.h"

struct text layer_root(const char *path, char *buffer)
{
    long length = system_call(SYS_READLINKAT, LINUX_AT_FDCWD, (long)"/proc/self/exe", (long)buffer, PATH_CAPACITY, 0, 0);
    struct text self = length > 0 ? (struct text){buffer, (size_t)length} : text_of(path);
    for (int levels = 0; levels < 2; levels++) {
        self.length -= text_basename(self).length;
        self.length -= self.length > 0; /* the slash */
    }
    return self;
}
