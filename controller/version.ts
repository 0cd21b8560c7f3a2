/** Told in the API's description and at the start. */
export const VERSION = '0.1.0';
