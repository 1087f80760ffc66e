/**
 * Escapes control and format characters, so that untrusted text cannot control a terminal, break a
 * line or reverse its direction. Also escapes lone surrogates, which stand for bytes that are not
 * UTF-8 (netlink/text.ts), as those bytes.
 */
export const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Cs}]/gu, escaped);

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code >= 0xdc80 && code <= 0xdcff
    ? `\\x${(code & 0xff).toString(16)}`
    : `\\u${code.toString(16).padStart(4, '0')}`;
}
