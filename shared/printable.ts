/**
 * Escapes control and format characters, so that untrusted text cannot control a terminal, break a
 * line or reverse its direction.
 */
export const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}]/gu, escaped);

const escaped = (character: string): string =>
  `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`;
