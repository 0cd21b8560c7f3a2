/** The same suite on a real mosquitto with two workers: what is refused, and that nobody else notices. */
process.env['LONGROOF_TEST_BROKER'] = 'mosquitto';
await import('../guards.test.js');

export {};
