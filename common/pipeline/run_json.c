/* A run of the registry as JSON. */
#include "pipeline/explain.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char lines[] = "[\n  *,\n  *\n ]";

static int add_metric(void *user, const struct metric_row *row, struct err *err)
{
    (void)err;
    json_number(user, row->name, row->value);
    return 0;
}

/* The output is valid JSON, whoever wrote the registry. */
static int add_event(void *user, double at, const char *kind, const char *detail, struct err *err)
{
    (void)err;
    struct json *json = user;
    json_t *parsed = json_loads(detail, JSON_DECODE_ANY, NULL);
    json_begin(json, NULL, "{*, *}");
    json_number(json, "at", at);
    json_text(json, "kind", kind);
    if (parsed)
        json_raw(json, "detail", "%s", detail);
    else
        json_text(json, "detail", detail);
    json_end(json);
    json_decref(parsed);
    return 0;
}

static void add_file(struct json *json, const struct manifest_line *line)
{
    json_begin(json, NULL, "{*, *}");
    json_text(json, "name", line->name);
    json_raw(json, "bytes", "%lld", (long long)line->size);
    json_text(json, "sha256", line->object.hex);
    json_end(json);
}

static int add_ports(struct json *json, struct store *store, int64_t run, bool outputs,
                     struct arena *arena, struct err *err)
{
    struct port ports[MAX_PORTS];
    int count;
    TRY(registry_ports(store, run, outputs, arena, ports, &count, err));
    json_begin(json, outputs ? "outputs" : "inputs", "{\n  *,\n  *\n }");
    for (int i = 0; i < count; i++) {
        struct manifest manifest = {0};
        json_begin(json, ports[i].name, "{*, *}");
        json_text(json, "artifact", ports[i].artifact.hex);
        if (outputs) {
            TRY(artifact_manifest(&manifest, arena, store, &ports[i].artifact, err));
            json_begin(json, "files", "[\n   *,\n   *\n  ]");
            for (size_t j = 0; j < manifest.count; j++)
                add_file(json, &manifest.lines[j]);
            json_end(json);
        }
        json_end(json);
    }
    json_end(json);
    return 0;
}

static int fill(struct json *json, struct store *store, const struct run_row *run,
                struct arena *arena, struct err *err)
{
    char *recipe;
    json_begin(json, NULL, "{\n *,\n *\n}\n");
    json_raw(json, "run", "%lld", (long long)run->id);
    json_text(json, "stage", run->stage);
    json_text(json, "status", run->status);
    json_number(json, "started", run->started);
    json_number(json, "seconds", run->seconds);
    json_text(json, "build", run->build);
    json_text(json, "numerics", run->numerics);
    json_text(json, "error", run->error);
    json_text(json, "recipe", run->recipe.hex);
    TRY(add_ports(json, store, run->id, false, arena, err));
    TRY(add_ports(json, store, run->id, true, arena, err));
    json_begin(json, "metrics", "{\n  *,\n  *\n }");
    TRY(registry_metrics(store, run->id, true, add_metric, json, err));
    json_end(json);
    json_begin(json, "events", lines);
    TRY(registry_events(store, run->id, add_event, json, err));
    json_end(json);
    TRY(registry_recipe_text(&recipe, store, &run->recipe, err));
    json_lines(json, "recipe_text", recipe, lines);
    free(recipe);
    return 0;
}

int run_json(struct store *store, const struct run_row *run, struct arena *arena, struct err *err)
{
    struct json json = {0};
    if (fill(&json, store, run, arena, err)) {
        text_free(&json.text);
        return -1;
    }
    json_print(&json);
    return 0;
}

void differences_json(int64_t from, int64_t to, const char *items)
{
    struct json json = {0};
    json_begin(&json, NULL, "{\n *,\n *\n}\n");
    json_number(&json, "from", from ? (double)from : NAN);
    json_number(&json, "to", (double)to);
    json_lines(&json, "differs", items, lines);
    json_print(&json);
}
