#include "evaluate/metrics.h"

#include "evaluate/similarity.h"

#include <string.h>

const char *const metric_keys[] = {
#define METRIC(key, ...) #key,
#include "evaluate/metrics.def"
    NULL};

const char *const metric_help[] = {
#define METRIC(key, name, need, scope, better, unit, usual, value, help) help,
#include "evaluate/metrics.def"
};

const bool metric_usual[] = {
#define METRIC(key, name, need, scope, better, unit, usual, ...) usual,
#include "evaluate/metrics.def"
};

#define VALUE(id, value)                                                                           \
    static double of_##id(const struct subject *s)                                                 \
    {                                                                                              \
        return value;                                                                              \
    }
#define METRIC(key, name, need, scope, better, unit, usual, value, help) VALUE(key, value)
#define ALSO(key, id, name, need, scope, better, unit, value)            VALUE(id, value)
#define EXTRA(id, name, need, scope, better, unit, value)                VALUE(id, value)
#include "evaluate/metrics.def"

#define ROW(key, id, name, need, scope, better, unit)                                              \
    {key, name, unit, NEED_##need, scope, better, of_##id},
#define METRIC(key, name, need, scope, better, unit, ...)                                          \
    ROW(METRIC_##key, key, name, need, scope, better, unit)
#define ALSO(key, id, name, need, scope, better, unit, ...)                                        \
    ROW(METRIC_##key, id, name, need, scope, better, unit)
#define EXTRA(id, name, need, scope, better, unit, ...)                                            \
    ROW(METRICS, id, name, need, scope, better, unit)
const struct metric_info metric_table[] = {
#include "evaluate/metrics.def"
};
const size_t metric_count = sizeof metric_table / sizeof *metric_table;

const char *metric_class(const struct metric_info *metric, const char *full_name)
{
    const char *name = strchr(full_name, '/');
    size_t length = strlen(metric->name);
    if (!name || strncmp(++name, metric->name, length) != 0)
        return NULL;
    return name[length] == '/' ? name + length + 1 : name[length] ? NULL : name + length;
}

const struct metric_info *metric_find(const char *full_name)
{
    for (size_t i = 0; i < metric_count; i++)
        if (metric_class(&metric_table[i], full_name))
            return &metric_table[i];
    return NULL;
}
