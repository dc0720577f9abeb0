/* Collections that become artifacts of a test's lab. */
#ifndef CAIRN_TESTS_DATA_LAB_H
#define CAIRN_TESTS_DATA_LAB_H

#include "store_lab.h"

#include "data/data.h"

static inline struct id collection_seal(const struct lab *lab, const struct collection *collection)
{
    struct draft *draft;
    struct err err;
    struct id id;
    OK(draft_open(&draft, lab->store, &err));
    OK(collection_write(collection, draft, &err));
    OK(draft_seal(draft, &id, &err));
    return id;
}

#endif
