/** Text that others wrote, without what a terminal obeys, ends a line or turns it round. */
export const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}]/gu, escaped);

const escaped = (character: string): string =>
  `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`;
