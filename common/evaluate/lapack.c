/* What LAPACK calls where an argument is wrong: its own would need Fortran's library to print it. The
 * Makefile asks the linker for this one, as nothing else of the room does. */
#include "base/err.h"

#include <stddef.h>

void xerbla_(const char *routine, const int *argument, size_t length);

void xerbla_(const char *routine, const int *argument, size_t length)
{
    bug("LAPACK's %.*s was given a wrong argument %d", (int)length, routine, *argument);
}
