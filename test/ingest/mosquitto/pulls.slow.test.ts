/** The same suite on a real mosquitto with two workers: pulls, revoked certificates. */
import t from 'tap';

t.setTimeout(240_000);
process.env['LONGROOF_TEST_BROKER'] = 'mosquitto';
await import('../pulls.test.js');
await import('../revoked.test.js');
