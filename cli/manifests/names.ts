import { type Decoder, mismatch, string } from '../../shared/decode.ts';

/** A label of RFC 1123. */
export const namespace = matching(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'the name of a namespace');
/** The name of an image, with or without a tag. */
export const image = matching(/^[a-zA-Z0-9][\w.:@/-]{0,1023}$/, 'the name of an image');

function matching(pattern: RegExp, want: string): Decoder<string> {
  return (value, path) => {
    if (!pattern.test(string(value, path))) throw mismatch(path, want, value);
    return value as string;
  };
}
