/** The same suite on a real mosquitto with two workers: exchange journal pulls. */
process.env['LONGROOF_TEST_BROKER'] = 'mosquitto';
await import('../exchange.test.js');
await import('../journal.test.js');
await import('../pulls.test.js');

export {};
