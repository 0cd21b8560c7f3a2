/** A reason as the centre takes it. */
const CHARS_MIN = 3;
export const REASON_CHARS_MAX = 500;

export const isReason = (text: string): boolean => text.trim().length >= CHARS_MIN;
