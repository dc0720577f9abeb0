/* evaluate predict MODEL FILE ... -o DIR: new pictures and volumes, with a model that segments. */
#ifndef CAIRN_COMMANDS_PREDICT_COMMAND_H
#define CAIRN_COMMANDS_PREDICT_COMMAND_H

#include "base/err.h"

/* argv[1] is "predict". The exit status is that of err. */
int predict_command(int argc, char **argv, struct err *err);

#endif
