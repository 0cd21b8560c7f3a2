/** The same suite on a real mosquitto with two workers: the exchange, the journal, pulls, revoked certificates. */
process.env['LONGROOF_TEST_BROKER'] = 'mosquitto';
await import('../exchange.test.js');
await import('../journal.test.js');
await import('../pulls.test.js');
await import('../revoked.test.js');

export {};
