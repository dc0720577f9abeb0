/* evaluate predict MODEL FILE ... -o DIR: segments new images and volumes. */
#ifndef CAIRN_COMMANDS_PREDICT_COMMAND_H
#define CAIRN_COMMANDS_PREDICT_COMMAND_H

#include "base/err.h"

/* argv[1] is "predict". err has the exit status. */
int predict_command(int argc, char **argv, struct err *err);

#endif
