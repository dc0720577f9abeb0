#include "model/kinds.h"

#include <math.h>
#include <string.h>

/* Far more than any table has to say. */
enum { LINES = 256, SIZE_LIMIT = 1 << 20 };

#define SIZE(member, least, text)                                                                  \
    {                                                                                              \
        .key = #member, .type = FIELD_INT, .offset = offsetof(struct image_data, member),          \
        .min = least, .max = SIZE_LIMIT, .help = text                                              \
    }
const struct field image_data_fields[] = {
    SIZE(d, 1, "depth in voxels, 1 for images"),
    SIZE(h, 1, "height in pixels"),
    SIZE(w, 1, "width in pixels"),
    SIZE(c, 1, "channels"),
    SIZE(classes, 0, "classes; 0: no labels"),
    {0},
};
#undef SIZE

int image_data_check(const struct image_data *data, struct err *err)
{
    int64_t plane = data->h * data->w, deep = data->d * data->c; /* SIZE_LIMIT each */
    if (plane <= INT32_MAX && deep <= INT32_MAX && plane * deep <= INT32_MAX)
        return 0;
    return fail_as(err, STATUS_CONFIG, "data: images [%lld,%lld,%lld,%lld] are too large",
                   (long long)data->d, (long long)data->h, (long long)data->w, (long long)data->c);
}

int image_data_match(const struct image_data *model, const struct image_data *data,
                     const char *what, struct err *err)
{
    if (model->d == data->d && model->h == data->h && model->w == data->w && model->c == data->c &&
        model->classes == data->classes)
        return 0;
    return fail_as(err, STATUS_BAD_DATA,
                   "%s was trained on images [%lld,%lld,%lld,%lld] of %lld classes, the data set "
                   "has [%lld,%lld,%lld,%lld] of %lld",
                   what, (long long)model->d, (long long)model->h, (long long)model->w,
                   (long long)model->c, (long long)model->classes, (long long)data->d,
                   (long long)data->h, (long long)data->w, (long long)data->c,
                   (long long)data->classes);
}

double range_width(struct range range)
{
    return isinf(range.high - range.low) ? 1 : (double)range.high - (double)range.low;
}

const char *model_text(const struct model_kind *kind, const void *from, struct arena *arena)
{
    struct text text = {0};
    text_printf(&text, "%s\n", kind->name);
    config_dump(&text, kind->fields, from, "");
    const char *copy = arena_strdup(arena, text.data);
    text_free(&text);
    return copy;
}

const struct model_kind *model_text_kind(const char *text)
{
    size_t length = strcspn(text, "\n");
    for (int i = 0; model_kinds[i]; i++)
        if (strlen(model_kinds[i]->name) == length &&
            memcmp(model_kinds[i]->name, text, length) == 0)
            return model_kinds[i];
    return NULL;
}

/* One "path=value" line into the tree. */
static int add_line(struct yaml **tree, const char *what, struct arena *arena, const char *line,
                    size_t length, struct err *err)
{
    const char *equals = memchr(line, '=', length);
    if (!equals)
        return fail_as(err, STATUS_BAD_DATA, "line '%.*s' has no '='", (int)length, line);
    const char *path = arena_strndup(arena, line, (size_t)(equals - line));
    struct yaml *value;
    size_t value_length = length - (size_t)(equals - line) - 1;
    TRY(yaml_parse(&value, arena, what, equals + 1, value_length, err));
    return yaml_replace(tree, arena, *tree, path, value, err);
}

/* "path=given" before the lines of what is given, which say as much. */
static bool is_option(const char *line, size_t length, const char *next)
{
    static const char given[] = "=given";
    size_t path = length - strlen(given);
    return length > strlen(given) && memcmp(line + path, given, strlen(given)) == 0 &&
           strncmp(next, line, path) == 0 && next[path] == '.';
}

int model_text_bind(void *into, const struct field *fields, const char *text, const char *what,
                    struct arena *arena, struct err *err)
{
    struct yaml *tree;
    int lines = 0;
    TRY(yaml_parse(&tree, arena, what, "{}", 2, err));
    for (const char *line = text; *line;) {
        if (++lines > LINES)
            return fail_as(err, STATUS_BAD_DATA, "%s: more than %d lines", what, LINES);
        size_t n = strcspn(line, "\n");
        const char *next = line + n + (line[n] == '\n');
        if (!is_option(line, n, next))
            TRY(add_line(&tree, what, arena, line, n, err));
        line = next;
    }
    config_drop_others(tree, fields);
    return config_bind(into, fields, tree, "", arena, err);
}

int model_text_parse(struct model *out, const struct model_kind *kind, const char *text,
                     struct arena *arena, struct err *err)
{
    void *description = arena_alloc(arena, kind->size);
    if (model_text_bind(description, kind->fields, text, "model.txt", arena, err) == 0 &&
        kind->check(description, err) == 0) {
        *out = (struct model){kind, description, kind->facts(description)};
        return 0;
    }
    if (err->status == STATUS_CONFIG) /* nobody's configuration, but a file */
        err->status = STATUS_BAD_DATA;
    return -1;
}

/* ---- what it can do ------------------------------------------------------------------------- */
unsigned model_abilities(const struct model_kind *kind)
{
    return (kind->encode ? CAN(ENCODE) : 0) | (kind->decode ? CAN(DECODE) : 0) |
           (kind->classify ? CAN(CLASSIFY) : 0) | (kind->segment ? CAN(SEGMENT) : 0) |
           (kind->reconstruct ? CAN(RECONSTRUCT) : 0) | (kind->features ? CAN(FEATURES) : 0) |
           (kind->compare ? CAN(COMPARE) : 0);
}

int model_need(const struct model_kind *kind, unsigned abilities, struct err *err)
{
    static const char *const verbs[ABILITIES] = {
        "encode", "decode", "classify", "segment", "reconstruct", "give features", "compare"};
    unsigned can = model_abilities(kind), lacks = abilities & ~can;
    struct text list = {0};
    if (!lacks)
        return 0;
    for (int i = 0; i < ABILITIES; i++)
        if (can & CAN(i))
            text_printf(&list, "%s%s", list.length ? " and " : "", verbs[i]);
    int first = 0;
    while (!(lacks & CAN(first)))
        first++;
    fail_as(err, STATUS_BAD_DATA, "a model of kind '%s' can %s, not %s", kind->name, list.data,
            verbs[first]);
    text_free(&list);
    return -1;
}
