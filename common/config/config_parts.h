/* What bind.c and dump.c share of the field tables. */
#ifndef CAIRN_CONFIG_CONFIG_PARTS_H
#define CAIRN_CONFIG_CONFIG_PARTS_H

#include "config/config.h"

/* "integer", "list of numbers": how messages and help call the type. */
const char *field_type_name(const struct field *field);
/* "0 to 1", "1 or more", "a, b, c"; "" if anything goes. For lists it is about each item. */
const char *field_range(struct arena *arena, const struct field *field);
/* What a choice is one of, NULL-terminated. */
const char *const *field_choices(struct arena *arena, const struct field *field);
/* "2", "1 to 3", "1 or more": how many items; "" if any number. */
const char *field_counts(struct arena *arena, const struct field *field);
/* "prefix.key", or the key alone if there is no prefix. */
const char *field_path(struct arena *arena, const char *prefix, const char *key);
/* Puts a row's default where its value goes. That the default passes the row's own check is the
 * table's affair: one that does not aborts. */
void field_bind_fallback(void *into, const struct field *field, const char *path,
                         struct arena *arena);

#endif
