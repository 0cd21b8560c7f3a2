/** The same suite on a real mosquitto with two workers, shown by the second. */
import t from 'tap';

t.setTimeout(240_000);
process.env['LONGROOF_TEST_BROKER'] = 'mosquitto';
await import('../live.test.js');
