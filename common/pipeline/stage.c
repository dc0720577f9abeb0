#include "pipeline/stage.h"

#include <string.h>

const struct stage_info *stage_of_section(const char *section)
{
    size_t length = strcspn(section, "@");
    for (const struct stage_info *stage = stage_table; stage->name; stage++)
        if (strlen(stage->name) == length && strncmp(stage->name, section, length) == 0)
            return stage;
    return NULL;
}
