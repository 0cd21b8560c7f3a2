/** Told in the journal and in status messages. */
export const VERSION = '0.1.0';
