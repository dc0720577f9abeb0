/*
 * Configuration: YAML with positions, bound to structs by field tables.
 *
 * A field is one row: key, type, default (as YAML text, parsed by the same code), range, help. The
 * same row parses, checks, fills in the default, documents (--help) and dumps canonically (the
 * recipe). Every error names file:line:col and section.key and, where it can, a suggestion.
 *
 * A section's struct owns nothing that has to be freed: text lives in the arena.
 */
#ifndef CAIRN_CONFIG_CONFIG_H
#define CAIRN_CONFIG_CONFIG_H

#include "base/err.h"
#include "base/memory.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- the tree ------------------------------------------------------------------------------- */
enum yaml_kind { YAML_NULL, YAML_SCALAR, YAML_LIST, YAML_MAP };

/* Limits of a document. An alias counts as all that it expands to, so a tree is safe to walk. */
enum {
    YAML_BYTES = 1 << 20,
    YAML_DEPTH = 64,
    YAML_NODES = 100000, /* a long scalar counts once more for each 64 bytes */
    YAML_SCALAR_BYTES = 1 << 16,
    YAML_KEY_BYTES = 128,
    YAML_ANCHORS = 1000
};

/* Aliases are shared pointers, never copies; a recursive document is refused. */
struct yaml {
    enum yaml_kind kind;
    const char *file; /* for messages; "--set" for values from the command line */
    int line, col;    /* from 1 */
    const char *text; /* scalar */
    bool quoted;      /* scalar given in quotes: text, never a number or bool */
    size_t count;     /* list items, map pairs (in file order) */
    struct yaml **items;
    struct yaml **keys; /* map: scalars with their own positions */
};

/* One document; tabs, duplicate keys, several documents, non-scalar keys, tags are errors
 * (STATUS_CONFIG, "FILE:LINE:COL: what"). file is copied. */
int yaml_parse(struct yaml **out, struct arena *arena, const char *file, const char *bytes,
               size_t length, struct err *err);
struct yaml *yaml_get(const struct yaml *map, const char *key); /* NULL if absent */
/* A copy of map (new top-level and path nodes, the rest shared) in which the value at a dotted path
 * ("train.lr") is replaced by value; maps along the path are created as needed. A path through
 * something that is not a map is an error at value's position. */
int yaml_replace(struct yaml **out, struct arena *arena, const struct yaml *map, const char *path,
                 struct yaml *value, struct err *err);
/* Fails with STATUS_CONFIG and "FILE:LINE:COL: " in front (nothing in front if at is NULL). */
int yaml_fail(struct err *err, const struct yaml *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* A user's text as shown in a message: shortened if long, control characters replaced. */
const char *yaml_shown(struct arena *arena, const char *text);
/* The tree as YAML text (flow style, quoted where needed) that parses back to the same tree. */
void yaml_write(struct text *out, const struct yaml *node);

/* ---- field tables --------------------------------------------------------------------------- */
enum field_type {
    FIELD_BOOL,     /* bool */
    FIELD_INT,      /* int64_t, in [min, max] */
    FIELD_REAL,     /* double, in [min, max] */
    FIELD_TEXT,     /* const char * */
    FIELD_CHOICE,   /* int: index into choices */
    FIELD_INTS,     /* struct int_list, each in [min, max] */
    FIELD_REALS,    /* struct real_list */
    FIELD_TEXTS,    /* struct text_list */
    FIELD_CHOICES,  /* struct int_list of indices into choices: a set, kept in the table's order */
    FIELD_SECTION,  /* a nested struct described by sub */
    FIELD_OPTION,   /* a nested struct whose first member is `bool present`: absent unless given;
                      sub's offsets count from the struct's start */
    FIELD_AUTO_INT, /* int64_t or the word auto, which is stored as -1 */
    FIELD_INPUT, /* const char *: none, or what fills the stage's port of the key's name, as `inputs`
                      says it; in the dump none or given, as the artifact has a place of its own in
                      the recipe */
    FIELD_VARIANT /* struct variant_value: a choice that adds its own keys to the section;
                       at most one in a table */
};

/* One choice of a FIELD_VARIANT. */
struct field_variant {
    const char *name, *help;
    const struct field *fields; /* in addition to the section's, with other names; NULL: none */
    size_t size;                /* of the struct they describe */
};
struct variant_value {
    int choice;
    void *own; /* the chosen variant's struct, in the arena */
};

struct int_list {
    size_t count;
    int64_t *items;
};
struct real_list {
    size_t count;
    double *items;
};
struct text_list {
    size_t count;
    const char **items;
};

struct field {
    const char *key;
    enum field_type type;
    size_t offset;
    const char *fallback; /* default as YAML text, e.g. "1.0e-3", "[16, 32]"; NULL: required. Of
                             a section: a map of those of its rows that have another default here;
                             NULL: none */
    const char *help;     /* one line; also units */
    double min, max;      /* numbers; both 0: any finite; INFINITY leaves an end open */
    size_t min_count, max_count;    /* lists; both 0: any; max_count 0: no upper limit */
    const char *const *choices;     /* NULL-terminated */
    const char *const *choice_help; /* help for each choice; NULL: none */
    const struct field_variant *(*variant)(
        int choice);         /* FIELD_VARIANT; returns NULL past the last */
    const struct field *sub; /* sections; tables end with a row whose key is NULL */
    bool silent;             /* not in the canonical dump: cannot change a result */
    bool later;              /* came after its stage's first version: in the dump only where it
                                    differs from its default, so that a new key changes no recipe; for a
                                    section it covers everything inside, but for
                                    keys that have to be given */
};

/* Binds a map (NULL or YAML_NULL: nothing given) to the struct at `into` by the table, filling in
 * defaults; a section not given takes the defaults of its rows. For an absent FIELD_OPTION
 * only `present` is written. name is the section's name for messages ("train-vae.model"). A default that
 * does not pass its own row's check is a bug and aborts. */
int config_bind(void *into, const struct field *fields, const struct yaml *map, const char *name,
                struct arena *arena, struct err *err);
/* Takes out of a map, and the sections in it, the keys of variants that are not the chosen one: a
 * dump from before the choice was a FIELD_VARIANT has them. */
void config_drop_others(struct yaml *map, const struct field *fields);

/* What a FIELD_INPUT at `at` says; NULL: nothing fills its port. */
const char *field_fills(const struct field *field, const void *at);

/* The canonical text: every key of the table in its order, defaults included (but see `later`), one
 * "path=value" line each, shortest exact numbers, silent fields left out; a present FIELD_OPTION has
 * the line "path=given" before those of its rows, an absent one leaves none. */
void config_dump(struct text *out, const struct field *fields, const void *from,
                 const char *prefix);
/* The same for comparing: later keys whatever they are, and of a FIELD_INPUT what fills it. */
void config_settings(struct text *out, const struct field *fields, const void *from,
                     const char *prefix);

/* The table as help: one line a key with type, default, range and help. */
void config_help(struct text *out, const struct field *fields, const char *prefix);

#endif
