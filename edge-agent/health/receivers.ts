/**
 * GNSS receivers, as data: how late they tell a fix at most, how wrong their course is, and what they tell of antenna and jamming. gpsd
 * itself tells both from 3.23 on (`ant` and `jam` of TPV); for an older one the receiver's own words are read beside its reports.
 */
export interface ReceiverProfile {
  /** A fix is told so much later than it was true at most. */
  delayMsMax: number;
  /** Of the course over ground while it drives, one standard deviation. */
  courseErrorDeg: number;
  /** gpsd is asked for what the receiver says itself: NMEA sentences as they are, binary packets in hexadecimal. */
  raw: boolean;
}

export const RECEIVERS = {
  any: { delayMsMax: 200, courseErrorDeg: 5, raw: false },
  /** u-blox 6 to 9: UBX-MON-HW, and GNTXT with ANTSTATUS at each change. */
  'u-blox': { delayMsMax: 150, courseErrorDeg: 3, raw: true },
  /** MediaTek and others that tell their antenna in TXT sentences. */
  'nmea-txt': { delayMsMax: 200, courseErrorDeg: 5, raw: true },
} as const satisfies Record<string, ReceiverProfile>;
export type ReceiverName = keyof typeof RECEIVERS;
