#include "runtime.h"

bool is_environment_of_runtime(struct text environment, struct text runtime_api)
{
    bool runtime = false, here = false;
    struct text name = TEXT("AWS_LAMBDA_RUNTIME_API=");
    while (environment.length > 0) {
        struct text variable = text_until(&environment, 0);
        runtime = runtime || text_starts_with(variable, TEXT("LAMBDA_TASK_ROOT=")); /* extensions are not given it */
        if (text_starts_with(variable, name))
            here = text_equal((struct text){variable.at + name.length, variable.length - name.length}, runtime_api);
    }
    return runtime && here;
}

int64_t start_ticks(struct text stat)
{
    enum { START_TIME_AFTER_NAME = 20 }; /* field 22; the name, which is field 2, may hold blanks and parentheses */
    size_t name_end = stat.length;
    while (name_end > 0 && stat.at[name_end - 1] != ')')
        name_end--;
    struct text rest = {stat.at + name_end, stat.length - name_end}, field = TEXT("");
    text_until(&rest, ' ');
    for (int i = 0; i < START_TIME_AFTER_NAME; i++)
        field = text_until(&rest, ' ');
    return text_decimal(field, INT64_MAX);
}
