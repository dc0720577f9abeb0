#include "pipeline/pipeline.h"

/* CAIRN_BUILD is in a header that the Makefile writes: the commit and a hash of the sources. */
const char *build_id(void)
{
    return CAIRN_BUILD;
}
