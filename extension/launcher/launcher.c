#include "program.h"

#include "extension.h"
#include "hold.h"
#include "supervisor.h"
#include "system.h"

/* Static, for the stack is the customer's memory only once it is touched, and so is this. */
static struct extension extension;

int program_main(char *const *argv, const char *path, char *const *environment)
{
    extension.start_ns = clock_ns(LINUX_CLOCK_REALTIME);
    extension.settings = settings_from(environment);
    extension.name = text_basename(text_of(argv[0] ? argv[0] : ""));
    extension.api.fd = -1;
    extension.listener = -1;
    extension.held.file = -1;
    extension.taken_over = -1;
    extension.depth = (struct depth){-1, -1};
    bool in_lambda = endpoint_from(extension.settings.runtime_api, &extension.api.endpoint);
    if (in_lambda) {
        extension.depth = depth_open(path, environment, extension.settings.runtime_api);
        extension_make_ready(&extension);
        hold_until_function_is_done(&extension);
    }
    int code = run_python(&extension, path, environment);
    if (code == 0)
        return 0;
    extension_close(&extension);
    return in_lambda ? serve_until_shutdown(&extension) : code;
}
