/** The same suite on a real mosquitto with two workers: the footage lane. */
process.env['LONGROOF_TEST_BROKER'] = 'mosquitto';
await import('../footage.test.js');

export {};
