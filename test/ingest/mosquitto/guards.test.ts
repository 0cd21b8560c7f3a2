/** The same suite on a real mosquitto with two workers: what is refused, and that nobody else notices. */
import t from 'tap';

t.setTimeout(240_000);
process.env['LONGROOF_TEST_BROKER'] = 'mosquitto';
await import('../guards.test.js');
