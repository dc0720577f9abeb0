/*
 * The immutable record of a finished run: lab/runs/RECIPE-UUID.json, enough to put the run's rows
 * back into a registry that was lost.
 *
 * It is written just before the commit, never after: a kill between the two leaves a record without
 * a run, not a run without a record. Such an orphan is harmless: it describes finished work whose
 * objects are all durable, a rebuild may add it as a run of its recipe, and nothing reads it while
 * the registry exists.
 */
#include "store/store_parts.h"

#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORD_VERSION = 1 };

const char record_hash_key[] = ",\n \"sha256\": \"";

/* JSON has no nan or inf: written as strings. */
static void add_number(struct json *json, const char *key, double value)
{
    char number[NUMBER_TEXT];
    if (isfinite(value))
        json_number(json, key, value);
    else
        json_text(json, key, number_text(number, value));
}

static void add_ports(struct json *json, const char *key, const struct port *ports, int count)
{
    json_begin(json, key, "{*, *}");
    for (int i = 0; i < count; i++)
        json_text(json, ports[i].name, ports[i].artifact.hex);
    json_end(json);
}

static void add_metrics(struct json *json, const struct run *run, bool cases)
{
    json_begin(json, cases ? "case_metrics" : "metrics", "[\n  *,\n  *]");
    for (size_t i = 0; i < run->metric_count; i++) {
        const struct metric *metric = run->metrics + i;
        if (cases != (metric->case_id != NULL))
            continue;
        json_begin(json, NULL, "[*, *]");
        if (cases)
            json_text(json, NULL, metric->case_id);
        json_text(json, NULL, metric->name);
        if (!cases)
            json_raw(json, NULL, "%" PRId64, metric->step);
        add_number(json, NULL, metric->value);
        json_end(json);
    }
    json_end(json);
}

static int add_event(void *user, double at, const char *kind, const char *detail, struct err *err)
{
    (void)err;
    struct json *json = user;
    json_begin(json, NULL, "[*, *]");
    add_number(json, NULL, at);
    json_text(json, NULL, kind);
    json_raw(json, NULL, "%s", detail);
    json_end(json);
    return 0;
}

/* Keys are sorted, so that equal runs give equal text. */
static int record_text(struct json *json, const struct run *run, const struct port *outputs,
                       int count, double seconds, struct err *err)
{
    char hash[RECORD_HASH + 1];
    json_begin(json, NULL, "{*,\n *}\n");
    json_text(json, "build", run->build);
    add_metrics(json, run, true);
    json_text(json, "config", run->config);
    json_begin(json, "events", "[\n  *,\n  *]");
    TRY(registry_events(run->store, run->id, add_event, json, err));
    json_end(json);
    add_ports(json, "inputs", run->inputs, run->input_count);
    add_metrics(json, run, false);
    json_text(json, "numerics", run->numerics);
    add_ports(json, "outputs", outputs, count);
    json_begin(json, "owner", "{*, *}");
    json_text(json, "boot", run->owner.boot);
    json_text(json, "host", run->owner.host);
    json_raw(json, "pid", "%" PRId64, run->owner.pid);
    json_raw(json, "start", "%" PRId64, run->owner.start);
    json_end(json);
    json_text(json, "recipe", run->recipe.hex);
    add_number(json, "seconds", seconds);
    snprintf(hash, sizeof hash, "%0*d", RECORD_HASH, 0); /* of the text with these zeros */
    json_text(json, "sha256", hash);
    size_t hash_end = json->text.length - 1;
    json_text(json, "stage", run->stage);
    add_number(json, "started", run->started);
    json_text(json, "uuid", run->uuid);
    json_number(json, "version", RECORD_VERSION);
    json_end(json);
    memcpy(json->text.data + hash_end - RECORD_HASH,
           sha256_of(json->text.data, json->text.length).hex, RECORD_HASH);
    return 0;
}

int record_write(const struct run *run, const struct port *outputs, int count, double seconds,
                 struct err *err)
{
    char runs[PATH_BYTES], path[PATH_BYTES], name[128];
    snprintf(name, sizeof name, "%s-%s.json", run->recipe.hex, run->uuid);
    TRY(path_join(runs, run->store->lab, "runs", err));
    TRY(folder_make(runs, err));
    TRY(path_join(path, runs, name, err));
    struct json json = {0};
    if (!record_text(&json, run, outputs, count, seconds, err))
        return text_publish(&json.text, path, err);
    text_free(&json.text);
    return -1;
}
