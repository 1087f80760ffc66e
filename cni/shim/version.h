/* The cniVersion in which an error is answered. */
#pragma once

#include "text.h"

/* The newest version that every runtime of today accepts. */
#define DEFAULT_VERSION "1.0.0"

/* The version that a configuration asks for, where we support it, else the default. It may be broken JSON. */
const char *version_of(struct bytes configuration);
