/** The same suite on a real mosquitto with two workers: the exchange and the journal. */
import t from 'tap';

t.setTimeout(240_000);
process.env['LONGROOF_TEST_BROKER'] = 'mosquitto';
await import('../exchange.test.js');
await import('../journal.test.js');
