/*
 * Orderly stops. Between stop_watch and stop_unwatch SIGTERM, SIGINT and SIGUSR2 only set a flag,
 * which long work reads where it can end with nothing half done. Watches may be nested: what came
 * in before an inner one is seen inside it.
 */
#ifndef CAIRN_BASE_STOP_H
#define CAIRN_BASE_STOP_H

#include <stdbool.h>

struct stop;
struct stop *stop_watch(void);
void stop_unwatch(struct stop *stop); /* forgets the request; NULL is fine */
bool stop_requested(void);

#endif
