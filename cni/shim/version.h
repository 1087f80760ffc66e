/* Chooses the cniVersion of an error object. */
#pragma once

#include "text.h"

/* The newest version that every current container runtime accepts. */
#define DEFAULT_VERSION "1.0.0"

/*
 * Returns the cniVersion of the configuration if Tapwire supports it, else DEFAULT_VERSION. The
 * configuration may be invalid JSON.
 */
const char *version_of(struct bytes configuration);
