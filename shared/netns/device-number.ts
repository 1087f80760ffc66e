/** The number of a device: which driver it belongs to, and which of that driver's devices it is. */
export interface DeviceNumber {
  readonly major: number;
  readonly minor: number;
}

export const isSameNumber = (one: DeviceNumber | null, other: DeviceNumber | null): boolean =>
  one !== null && other !== null && one.major === other.major && one.minor === other.minor;

/** Decodes what sysfs writes, `246:5`; null for any other text. */
export function decodeDeviceNumber(text: string): DeviceNumber | null {
  const [, major, minor] = /^(\d+):(\d+)\n?$/.exec(text) ?? [];
  return major === undefined || minor === undefined ? null : { major: Number(major), minor: Number(minor) };
}

/**
 * Splits the number of a device node, as stat(2) returns it.
 *
 * Source: gnu_dev_major and gnu_dev_minor of makedev(3)
 */
export const splitDeviceNumber = (rdev: number): DeviceNumber => ({
  major: (rdev >>> 8) & 0xfff,
  minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00),
});
