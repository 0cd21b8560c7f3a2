/** The same suite on a real mosquitto with two workers: pulls, revoked certificates. */
process.env['LONGROOF_TEST_BROKER'] = 'mosquitto';
await import('../pulls.test.js');
await import('../revoked.test.js');

export {};
