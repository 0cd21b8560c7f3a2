/** What the firmware's programs call themselves. */
export const VERSION = '0.1.0';
