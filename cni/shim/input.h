/* stdin: the network configuration. */
#pragma once

#include "call.h"

/* Reads it all, or as much as shows that it is too much. Ends with an error where it does not come to an end. */
void read_input(struct call *call);
