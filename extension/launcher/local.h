/*
 * The sockets by which the processes of a sandbox find one another: abstract ones (unix(7)), which leave no file behind, are
 * gone with the process, and are of one network namespace. The name has the address of the Runtime API in it, since an
 * emulator may run several sandboxes in one namespace.
 */
#ifndef LAMBDASCOPE_LOCAL_H
#define LAMBDASCOPE_LOCAL_H

#include "text.h"

struct local_address {
    uint16_t family;
    char path[108];
};

/* Fills `address` with "lambdascope/NAME/RUNTIME_API"; how long it is for the kernel, -1 where it does not fit. */
long local_address(struct local_address *address, struct text name, struct text runtime_api);

#endif
