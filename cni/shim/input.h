/* Reads stdin: the network configuration. */
#pragma once

#include "call.h"

/*
 * Reads all of stdin into `call->input`, or one byte more than allowed. Prints an error and exits
 * if stdin does not end within INPUT_TIMEOUT.
 */
void read_input(struct call *call);
