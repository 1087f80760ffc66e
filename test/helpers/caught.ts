import { BindingError } from '../../shared/errors.ts';

/** Returns the BindingError that `act` throws or rejects with; fails the test if there is none. */
export async function caught(act: () => unknown): Promise<BindingError> {
  try {
    await act();
  } catch (error) {
    if (error instanceof BindingError) return error;
    throw error;
  }
  throw new Error('Expected a BindingError, but nothing was thrown');
}
