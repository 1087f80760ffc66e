/* The descriptors that the shim inherits from its caller. */
#pragma once

/*
 * Closes all descriptors except stdin, stdout, stderr and `kept` (-1: none). If one of the three is
 * closed, opens a file in its place that can neither be read nor written. Otherwise the next file
 * that the shim opens would get that number, and the result would be written to it.
 */
void tidy_descriptors(int kept);
