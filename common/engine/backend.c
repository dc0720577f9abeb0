#include "engine/backend.h"

void backend_close(struct backend *backend)
{
    if (backend)
        backend->calls->close(backend);
}

const char *backend_numerics(const struct backend *backend)
{
    return backend->numerics;
}

int backend_threads(const struct backend *backend)
{
    return backend->threads;
}
