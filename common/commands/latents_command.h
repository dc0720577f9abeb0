/* evaluate encode and evaluate decode: images to latents and back. */
#ifndef CAIRN_COMMANDS_LATENTS_COMMAND_H
#define CAIRN_COMMANDS_LATENTS_COMMAND_H

#include "base/err.h"

/* argv[1] is "encode" or "decode". err has the exit status. */
int encode_command(int argc, char **argv, struct err *err);
int decode_command(int argc, char **argv, struct err *err);

#endif
