/* What the sections of a variant read from each other. */
#include "pipeline/experiment_parts.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

static const char by_id[] = "artifact:";

static int check_id(const struct section *section, const struct yaml *to, const char *path,
                    struct err *err)
{
    if (starts_with(to->text, by_id) && !id_valid(to->text + strlen(by_id)))
        return yaml_fail(err, to, "%s.%s: an artifact id is 64 hex digits", section->name, path);
    return 0;
}

int experiment_inputs(struct section *section, const struct yaml *inputs, struct err *err)
{
    if (inputs->kind == YAML_NULL)
        return 0;
    if (inputs->kind != YAML_MAP)
        return yaml_fail(err, inputs, "%s.inputs: a map of port: section expected", section->name);
    for (size_t i = 0; i < inputs->count; i++) {
        const struct yaml *key = inputs->keys[i], *to = inputs->items[i];
        const struct port_info *ports = section->stage->ports;
        int port = 0;
        while (ports[port].name && strcmp(ports[port].name, key->text) != 0)
            port++;
        if (!ports[port].name)
            return yaml_fail(err, key, "%s.inputs: '%s' has no input '%s'", section->name,
                             section->stage->name, key->text);
        if (to->kind != YAML_SCALAR)
            return yaml_fail(err, to, "%s.inputs.%s: a section or artifact:ID expected",
                             section->name, key->text);
        char path[sizeof "inputs." + YAML_KEY_BYTES];
        snprintf(path, sizeof path, "inputs.%s", key->text);
        TRY(check_id(section, to, path, err));
        section->inputs[port] = to;
    }
    return 0;
}

static const struct section *find_section(const struct variant *variant, const char *name,
                                          size_t length)
{
    for (size_t i = 0; i < variant->count; i++)
        if (strlen(variant->sections[i].name) == length &&
            memcmp(variant->sections[i].name, name, length) == 0)
            return &variant->sections[i];
    return NULL;
}

const struct section *variant_section(const struct variant *variant, const char *name)
{
    return find_section(variant, name, strlen(name));
}

/* ---- filling -------------------------------------------------------------------------------- */

/* The first output of the type, or the one with this name if it fits; NULL: none. */
static const struct output_info *fitting(const struct stage_info *stage, const char *type,
                                         const char *name)
{
    for (const struct output_info *output = stage->outputs; type && output->name; output++)
        if (strcmp(output->makes, type) == 0 && (!name || strcmp(output->name, name) == 0))
            return output;
    return NULL;
}

/* From `inputs`: artifact:ID, SECTION or SECTION.OUTPUT. */
static int fill_as_said(struct filler *out, const struct variant *variant,
                        const struct section *section, const struct yaml *said,
                        const struct port_info *port, struct err *err)
{
    if (starts_with(said->text, by_id)) {
        out->artifact = said->text + strlen(by_id);
        return 0;
    }
    const char *dot = strrchr(said->text, '.'), *name = NULL;
    out->maker = variant_section(variant, said->text);
    if (!out->maker && dot) {
        out->maker = find_section(variant, said->text, (size_t)(dot - said->text));
        name = dot + 1;
    }
    if (!out->maker)
        return yaml_fail(err, said, "%s needs a section '%s' for its input '%s'", section->name,
                         said->text, port->name);
    const struct output_info *output = fitting(out->maker->stage, port->takes, name);
    if (!output)
        output = fitting(out->maker->stage, port->also, name);
    if (!output)
        return yaml_fail(err, said, "%s.%s%s: '%s' makes no %s", section->name,
                         said == yaml_get(section->at, port->name) ? "" : "inputs.", port->name,
                         said->text, port->takes);
    out->output = output->name;
    return 0;
}

/* Not in `inputs`: the only section, named as its stage and not this one, that makes what fits. */
static int fill_by_default(struct filler *out, const struct variant *variant,
                           const struct section *section, const struct port_info *port,
                           struct err *err)
{
    for (const struct stage_info *stage = stage_table; stage->name; stage++) {
        const struct section *maker = variant_section(variant, stage->name);
        const struct output_info *output = fitting(stage, port->takes, NULL);
        if (!maker || maker == section || !output)
            continue;
        if (out->maker)
            return yaml_fail(err, section->at,
                             "%s: both '%s' and '%s' make its input '%s'; choose with inputs: "
                             "{%s: ...}",
                             section->name, out->maker->name, maker->name, port->name, port->name);
        *out = (struct filler){.maker = maker, .output = output->name};
    }
    return 0;
}

static int fail_unfilled(const struct section *section, const struct port_info *port,
                         const struct yaml *root, struct err *err)
{
    struct text makers = {0};
    for (const struct stage_info *stage = stage_table; stage->name; stage++)
        if (fitting(stage, port->takes, NULL))
            text_printf(&makers, "%s'%s'", makers.length ? " or " : "", stage->name);
    if (makers.length)
        yaml_fail(err, root, "%s needs a section %s for its input '%s'", section->name, makers.data,
                  port->name);
    else
        yaml_fail(err, root, "%s needs inputs: {%s: artifact:ID}; no section makes one",
                  section->name, port->name);
    text_free(&makers);
    return -1;
}

/* The section's own key for the port; NULL: it has none. */
static const struct field *own_key(const struct section *section, const char *port)
{
    const struct field *field = section->stage->fields;
    while (field->key && (field->type != FIELD_INPUT || strcmp(field->key, port) != 0))
        field++;
    return field->key ? field : NULL;
}

/* The value of its own key counts as an entry in `inputs`, unless there is one. */
static int settle_use(enum port_use *out, struct section *section, int port,
                      const struct stage_info *const *makers, struct err *err)
{
    const struct port_info *info = &section->stage->ports[port];
    const struct field *key = own_key(section, info->name);
    *out = info->used ? info->used(section->config, makers) : PORT_USED;
    if (!key || *out == PORT_UNUSED)
        return 0;
    if (!field_fills(key, (const char *)section->config + key->offset)) {
        *out = PORT_UNUSED;
        return 0;
    }
    const struct yaml *said = yaml_get(section->at, key->key);
    TRY(check_id(section, said, key->key, err));
    if (!section->inputs[port])
        section->inputs[port] = said;
    return 0;
}

/* Every port in use must be filled by something that fits. */
static int fill_ports(const struct variant *variant, struct section *section,
                      const struct yaml *root, struct err *err)
{
    const struct stage_info *makers[MAX_PORTS] = {NULL};
    for (int i = 0; section->stage->ports[i].name; i++) {
        const struct port_info *port = &section->stage->ports[i];
        struct filler *filler = &section->fillers[i];
        enum port_use use;
        TRY(settle_use(&use, section, i, makers, err));
        if (use == PORT_UNUSED)
            continue;
        TRY(section->inputs[i]
                ? fill_as_said(filler, variant, section, section->inputs[i], port, err)
                : fill_by_default(filler, variant, section, port, err));
        if (use == PORT_USED && !filler->maker && !filler->artifact)
            return fail_unfilled(section, port, root, err);
        makers[i] = filler->maker ? filler->maker->stage : NULL;
    }
    struct err why;
    if (!section->stage->check || !section->stage->check(section->config, makers, &why))
        return 0;
    if (!yaml_get(root, "vary"))
        return yaml_fail(err, section->at, "%s: %s", section->name, why.text);
    return yaml_fail(err, section->at, "%s (variant '%s'): %s", section->name, variant->name,
                     why.text);
}

/* ---- order ---------------------------------------------------------------------------------- */

/* From a section to those it reads from. The depth is at most the number of sections. */
struct walk {
    struct variant *variant;
    const struct section **path; /* from the first section to the current one */
    size_t depth, done;
    enum mark { NEW, ON_THE_PATH, DONE } * marks; /* of the sections */
};

static int fail_circle(const struct walk *walk, int port, struct err *err)
{
    const struct section *last = walk->path[walk->depth - 1], *to = last->fillers[port].maker;
    const struct yaml *said = last->inputs[port];
    struct text circle = {0};
    size_t i = 0;
    while (walk->path[i] != to)
        i++;
    for (; i < walk->depth; i++)
        text_printf(&circle, "%s -> ", walk->path[i]->name);
    yaml_fail(err, said ? said : last->at, "%s: its input '%s' leads back to itself: %s%s",
              last->name, last->stage->ports[port].name, circle.data, to->name);
    text_free(&circle);
    return -1;
}

static int visit(struct walk *walk, const struct section *section, struct err *err)
{
    enum mark *mark = &walk->marks[section - walk->variant->sections];
    if (*mark == DONE)
        return 0;
    *mark = ON_THE_PATH;
    walk->path[walk->depth++] = section;
    for (int i = 0; section->stage->ports[i].name; i++) {
        const struct section *maker = section->fillers[i].maker;
        if (maker && walk->marks[maker - walk->variant->sections] == ON_THE_PATH)
            return fail_circle(walk, i, err);
        if (maker)
            TRY(visit(walk, maker, err));
    }
    walk->depth--;
    *mark = DONE;
    walk->variant->order[walk->done++] = (size_t)(section - walk->variant->sections);
    return 0;
}

int experiment_ports(struct variant *variant, const struct yaml *root, struct arena *arena,
                     struct err *err)
{
    struct walk walk = {.variant = variant,
                        .path = arena_alloc(arena, variant->count * sizeof *walk.path),
                        .marks = arena_alloc(arena, variant->count * sizeof *walk.marks)};
    variant->order = arena_alloc(arena, variant->count * sizeof *variant->order);
    for (size_t i = 0; i < variant->count; i++)
        TRY(fill_ports(variant, &variant->sections[i], root, err));
    for (size_t i = 0; i < variant->count; i++)
        TRY(visit(&walk, &variant->sections[i], err));
    return 0;
}
