import { messageOf } from '../shared/errors.ts';
import { describeFailure } from '../shared/native/native.ts';

/** The text of any failure; of one of the addon's, which has an errno and no code, with the kernel's words. */
export function reasonOf(error: unknown): string {
  const isNative = error instanceof Error && 'errno' in error && !('code' in error);
  return isNative ? describeFailure(error) : messageOf(error);
}
