/* The descriptors that a caller hands over. */
#pragma once

/*
 * Closes all that are not stdin, stdout or stderr, but `kept`. Which of these three is closed becomes a file that can be
 * neither read nor written: else what is opened next got its number, and the result.
 */
void tidy_descriptors(int kept);
