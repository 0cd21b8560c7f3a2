/** The same suite on a real mosquitto with two workers: guards. */
process.env['LONGROOF_TEST_BROKER'] = 'mosquitto';
await import('../guards.test.js');

export {};
