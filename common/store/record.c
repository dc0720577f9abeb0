/*
 * The immutable record of a finished run: lab/runs/RECIPE-UUID.json, enough to put the run's rows
 * back into a registry that was lost.
 *
 * It is written just before the commit, never after: a kill between the two then leaves a record
 * without a run, not a run without a record. Such an orphan does no harm. It describes work that
 * was finished, whose objects are all durable already; who rebuilds a registry may take it in as a
 * run of its recipe, and as long as the registry itself lives nobody reads it.
 */
#include "store/store_parts.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORD_VERSION = 1 };

const char record_hash_key[] = ",\n \"sha256\": \"";

/* JSON has no nan or inf: those are strings. */
static void add_number(struct text *text, double value)
{
    char number[NUMBER_TEXT];
    number_text(number, value);
    bool finite = !strpbrk(number, "ni");
    text_printf(text, finite ? "%s" : "\"%s\"", number);
}

static void add_field(struct text *text, const char *key, const char *value)
{
    text_printf(text, ",\n \"%s\": ", key);
    if (value)
        text_json(text, value);
    else
        text_puts(text, "null");
}

static void add_ports(struct text *text, const char *key, const struct port *ports, int count)
{
    text_printf(text, ",\n \"%s\": {", key);
    for (int i = 0; i < count; i++) {
        text_puts(text, i ? ", " : "");
        text_json(text, ports[i].name);
        text_printf(text, ": \"%s\"", ports[i].artifact.hex);
    }
    text_puts(text, "}");
}

static void add_metrics(struct text *text, const struct run *run, bool cases)
{
    text_printf(text, ",\n \"%s\": [", cases ? "case_metrics" : "metrics");
    bool first = true;
    for (size_t i = 0; i < run->metric_count; i++) {
        const struct metric *metric = run->metrics + i;
        if (cases != (metric->case_id != NULL))
            continue;
        text_puts(text, first ? "\n  [" : ",\n  [");
        first = false;
        if (cases) {
            text_json(text, metric->case_id);
            text_puts(text, ", ");
        }
        text_json(text, metric->name);
        if (!cases)
            text_printf(text, ", %" PRId64, metric->step);
        text_puts(text, ", ");
        add_number(text, metric->value);
        text_puts(text, "]");
    }
    text_puts(text, "]");
}

struct event_list {
    struct text *text;
    bool any;
};

static int add_event(void *user, double at, const char *kind, const char *detail, struct err *err)
{
    (void)err;
    struct event_list *list = user;
    text_puts(list->text, list->any ? ",\n  [" : "\n  [");
    list->any = true;
    add_number(list->text, at);
    text_puts(list->text, ", ");
    text_json(list->text, kind);
    text_printf(list->text, ", %s]", detail);
    return 0;
}

/* Keys are sorted, so that equal runs give equal text. */
static int record_text(struct text *text, const struct run *run, const struct port *outputs,
                       int count, double seconds, struct err *err)
{
    text_puts(text, "{\"build\": ");
    text_json(text, run->build);
    add_metrics(text, run, true);
    add_field(text, "config", run->config);
    text_puts(text, ",\n \"events\": [");
    struct event_list list = {.text = text};
    TRY(registry_events(run->store, run->id, add_event, &list, err));
    text_puts(text, "]");
    add_ports(text, "inputs", run->inputs, run->input_count);
    add_metrics(text, run, false);
    add_field(text, "numerics", run->numerics);
    add_ports(text, "outputs", outputs, count);
    text_puts(text, ",\n \"owner\": {\"boot\": ");
    text_json(text, run->owner.boot);
    text_puts(text, ", \"host\": ");
    text_json(text, run->owner.host);
    text_printf(text, ", \"pid\": %" PRId64 ", \"start\": %" PRId64 "}", run->owner.pid,
                run->owner.start);
    add_field(text, "recipe", run->recipe.hex);
    text_puts(text, ",\n \"seconds\": ");
    add_number(text, seconds);
    text_puts(text, record_hash_key);
    size_t hash = text->length;
    text_printf(text, "%0*d\"", RECORD_HASH, 0); /* of the text with these zeros */
    add_field(text, "stage", run->stage);
    text_puts(text, ",\n \"started\": ");
    add_number(text, run->started);
    add_field(text, "uuid", run->uuid);
    text_printf(text, ",\n \"version\": %d}\n", RECORD_VERSION);
    memcpy(text->data + hash, sha256_of(text->data, text->length).hex, RECORD_HASH);
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
    struct text text = {0};
    if (!record_text(&text, run, outputs, count, seconds, err))
        return text_publish(&text, path, err);
    text_free(&text);
    return -1;
}
