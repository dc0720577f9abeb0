/* A run of the registry as JSON. */
#include "pipeline/explain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int add_metric(void *user, const struct metric_row *row, struct err *err)
{
    (void)err;
    json_object_set_new(user, row->name,
                        isfinite(row->value) ? json_real(row->value) : json_null());
    return 0;
}

static json_t *text_or_null(const char *text)
{
    return text ? json_words(text, strlen(text)) : json_null();
}

static int add_event(void *user, double at, const char *kind, const char *detail, struct err *err)
{
    (void)err;
    json_t *event = json_object(), *parsed = json_loads(detail, JSON_DECODE_ANY, NULL);
    json_object_set_new(event, "at", json_real(at));
    json_object_set_new(event, "kind", json_string(kind));
    json_object_set_new(event, "detail", parsed ? parsed : text_or_null(detail));
    json_array_append_new(user, event);
    return 0;
}

static json_t *file_json(const struct manifest_line *line)
{
    json_t *file = json_object();
    json_object_set_new(file, "name", json_string(line->name));
    json_object_set_new(file, "bytes", json_integer(line->size));
    json_object_set_new(file, "sha256", json_string(line->object.hex));
    return file;
}

static int add_ports(json_t *out, struct store *store, int64_t run, bool outputs,
                     struct arena *arena, struct err *err)
{
    struct port ports[MAX_PORTS];
    int count;
    TRY(registry_ports(store, run, outputs, arena, ports, &count, err));
    for (int i = 0; i < count; i++) {
        struct manifest manifest = {0};
        json_t *files = json_array(), *port = json_object();
        json_object_set_new(port, "artifact", json_string(ports[i].artifact.hex));
        json_object_set_new(out, ports[i].name, port);
        int status =
            outputs ? artifact_manifest(&manifest, arena, store, &ports[i].artifact, err) : 0;
        for (size_t j = 0; j < manifest.count && !status; j++)
            json_array_append_new(files, file_json(&manifest.lines[j]));
        if (outputs)
            json_object_set(port, "files", files);
        json_decref(files);
        TRY(status);
    }
    return 0;
}

static int fill(json_t *out, struct store *store, const struct run_row *run, struct arena *arena,
                struct err *err)
{
    json_t *inputs = json_object(), *outputs = json_object();
    json_t *metrics = json_object(), *events = json_array();
    char *recipe;
    json_object_set_new(out, "run", json_integer(run->id));
    json_object_set_new(out, "stage", json_string(run->stage));
    json_object_set_new(out, "status", json_string(run->status));
    json_object_set_new(out, "started", json_real(run->started));
    json_object_set_new(out, "seconds",
                        isfinite(run->seconds) ? json_real(run->seconds) : json_null());
    json_object_set_new(out, "build", text_or_null(run->build));
    json_object_set_new(out, "numerics", text_or_null(run->numerics));
    json_object_set_new(out, "error", text_or_null(run->error));
    json_object_set_new(out, "recipe", json_string(run->recipe.hex));
    json_object_set_new(out, "inputs", inputs);
    json_object_set_new(out, "outputs", outputs);
    json_object_set_new(out, "metrics", metrics);
    json_object_set_new(out, "events", events);
    TRY(registry_recipe_text(&recipe, store, &run->recipe, err));
    json_object_set_new(out, "recipe_text", json_lines(recipe));
    free(recipe);
    TRY(add_ports(inputs, store, run->id, false, arena, err));
    TRY(add_ports(outputs, store, run->id, true, arena, err));
    TRY(registry_metrics(store, run->id, true, add_metric, metrics, err));
    return registry_events(store, run->id, add_event, events, err);
}

int run_json(struct store *store, const struct run_row *run, struct arena *arena, struct err *err)
{
    json_t *out = json_object();
    if (fill(out, store, run, arena, err)) {
        json_decref(out);
        return -1;
    }
    json_print(out);
    return 0;
}

void differences_json(int64_t from, int64_t to, const char *lines)
{
    json_t *out = json_object();
    json_object_set_new(out, "from", from ? json_integer(from) : json_null());
    json_object_set_new(out, "to", json_integer(to));
    json_object_set_new(out, "differs", json_lines(lines));
    json_print(out);
}
