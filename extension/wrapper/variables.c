#include "variables.h"

/* Which runtime has which probe: how AWS_EXECUTION_ENV begins, and what is set. */
struct probe {
    struct text runtime, variable, before, path, between;
    bool first; /* in front of what the variable has; else behind it */
};

#define T(literal) {(literal), sizeof(literal) - 1}

static const struct probe PROBES[] = {
    {T("AWS_Lambda_python"), T("PYTHONPATH"), T(""), T("/lambdascope/probe/python"), T(":"), true},
    {T("AWS_Lambda_nodejs"), T("NODE_OPTIONS"), T("--require="), T("/lambdascope/probe/nodejs/probe.cjs"), T(" "), false},
};

static const struct probe *probe_for(char *const *environment)
{
    struct text runtime = environment_value(environment, TEXT("AWS_EXECUTION_ENV"));
    struct text wanted = environment_value(environment, TEXT("LAMBDASCOPE_PROBE"));
    if (text_equal_ignoring_case(wanted, TEXT("off")) || text_equal(wanted, TEXT("0")))
        return NULL;
    for (size_t i = 0; i < sizeof PROBES / sizeof *PROBES; i++)
        if (text_starts_with(runtime, PROBES[i].runtime))
            return &PROBES[i];
    return NULL;
}

static void write_probe(struct writer *writer, const struct probe *probe, struct text root, struct text value)
{
    write_text(writer, probe->variable);
    write_text(writer, TEXT("="));
    if (value.length > 0 && !probe->first) {
        write_text(writer, value);
        write_text(writer, probe->between);
    }
    write_text(writer, probe->before);
    write_text(writer, root);
    write_text(writer, probe->path);
    if (value.length > 0 && probe->first) {
        write_text(writer, probe->between);
        write_text(writer, value);
    }
}

/* Where the string that is written now begins. */
static const char *here(const struct writer *writer)
{
    return writer->at + writer->length;
}

static void end_string(struct writer *writer)
{
    write_text(writer, (struct text){"", 1});
}

static bool sets(const char *entry, struct text name)
{
    struct text text = text_of(entry);
    return text_starts_with(text, name) && text.length > name.length && text.at[name.length] == '=';
}

char *const *variables_for_runtime(struct variables *variables, char *const *environment, const struct wishes *wishes)
{
    struct writer writer = {variables->added, sizeof variables->added, 0, false};
    const struct probe *probe = wishes->marks >= 0 ? probe_for(environment) : NULL;
    struct text replaced[] = {TEXT(""), TEXT("")};
    size_t count = 0;
    variables->probed = false;
    if (probe) {
        replaced[0] = probe->variable;
        variables->list[count++] = here(&writer);
        write_probe(&writer, probe, wishes->root, environment_value(environment, probe->variable));
        end_string(&writer);
        variables->list[count++] = here(&writer);
        write_text(&writer, TEXT("LAMBDASCOPE_MARKS="));
        write_decimal(&writer, wishes->marks);
        end_string(&writer);
    }
    if (wishes->runtime_api.length > 0) {
        replaced[1] = TEXT("AWS_LAMBDA_RUNTIME_API");
        variables->list[count++] = here(&writer);
        write_text(&writer, replaced[1]);
        write_text(&writer, TEXT("="));
        write_text(&writer, wishes->runtime_api);
        end_string(&writer);
    }
    for (char *const *entry = environment; *entry; entry++) {
        if (count == MOST_VARIABLES + 3)
            return environment;
        if (!sets(*entry, replaced[0]) && !sets(*entry, replaced[1]))
            variables->list[count++] = *entry;
    }
    if (writer.overflow)
        return environment;
    variables->list[count] = NULL;
    variables->probed = probe != NULL;
    return (char *const *)variables->list;
}
