/* The descriptors that a caller hands over. */
#pragma once

/*
 * Closes all that are not stdin, stdout or stderr, but `kept`. What of these three is closed becomes a file that cannot be read or
 * written: nothing that is opened later may take the result for another's.
 */
void tidy_descriptors(int kept);
