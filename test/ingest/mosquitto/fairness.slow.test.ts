/** The same suite on a real mosquitto with two workers: a unit that floods. */
import t from 'tap';

t.setTimeout(500_000);
process.env['LONGROOF_TEST_BROKER'] = 'mosquitto';
await import('../fairness.test.js');
