/** Which broker the ingest suite runs on in this process: ours, or a mosquitto with two workers. */
export const BACKEND = process.env['LONGROOF_TEST_BROKER'] === 'mosquitto' ? 'mosquitto' : 'embedded';

/** Options of a test that only our own broker can pass; the reason is printed. */
export const embeddedOnly = (why: string): { skip?: string } => (BACKEND === 'embedded' ? {} : { skip: `embedded broker only: ${why}` });
