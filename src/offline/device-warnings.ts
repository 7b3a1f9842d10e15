/**
 * What people should know about devices that were opened, before they trust what is done with them.
 */
import type { DeviceFile } from "../device/device-file.ts";

/** Of devices that are only looked at, whoever else uses them (S-18). */
export function tailWarnings(...devices: readonly DeviceFile[]): string[] {
  return devices
    .filter((device) => device.tailBytes > 0)
    .map((device) => `${device.path}: the last ${device.tailBytes} bytes fill no sector and are not used`);
}

/** Of devices that should be kept from others meanwhile (E-42): also which of them could not be locked. */
export function deviceWarnings(...devices: readonly DeviceFile[]): string[] {
  const unlocked = devices.map((device) => device.lockWarning).filter((warning) => warning !== undefined);
  return [...tailWarnings(...devices), ...unlocked];
}
