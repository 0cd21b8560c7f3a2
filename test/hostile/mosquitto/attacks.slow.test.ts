/** The same attacks on a real mosquitto with two workers. */
import t from 'tap';

t.setTimeout(600_000);
process.env['LONGROOF_TEST_BROKER'] = 'mosquitto';
await import('../attacks.slow.test.js');
