/** The same suite on a real mosquitto with two workers: the footage lane. */
import t from 'tap';

t.setTimeout(240_000);
process.env['LONGROOF_TEST_BROKER'] = 'mosquitto';
await import('../footage.test.js');
