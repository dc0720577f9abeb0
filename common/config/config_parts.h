/* Field table functions shared by bind.c and dump.c. */
#ifndef CAIRN_CONFIG_CONFIG_PARTS_H
#define CAIRN_CONFIG_CONFIG_PARTS_H

#include "config/config.h"

/* "integer", "list of numbers": the type's name in messages and help. */
const char *field_type_name(const struct field *field);
/* "0 to 1", "1 or more", "a, b, c"; "" if anything goes. For lists: of each item. */
const char *field_range(struct arena *arena, const struct field *field);
/* The names of a field's choices, NULL-terminated. */
const char *const *field_choices(struct arena *arena, const struct field *field);
/* "2", "1 to 3", "1 or more": how many items; "" if any number. */
const char *field_counts(struct arena *arena, const struct field *field);
/* "prefix.key", or just the key if there is no prefix. */
const char *field_path(struct arena *arena, const char *prefix, const char *key);
/* Stores a row's default where its value goes. A default that fails the row's own check is a bug in
 * the table and aborts. */
void field_bind_fallback(void *into, const struct field *field, const char *path,
                         struct arena *arena);

#endif
