import { systemDisk } from '@longroof/base/disk';
import t, { type Test } from 'tap';
import { checkReload, loadUnitConfig, type UnitConfig } from './unit-config.js';

function load(t: Test, spool: string): UnitConfig {
  const folder = t.testdir({ 'unit.yaml': `unit: w1\nidentity: ./identity\nspool: { path: ./spool, quota: 20GB${spool} }\ncameras: []\n` });
  return loadUnitConfig(systemDisk, `${folder}/unit.yaml`).config;
}

t.test('S8: the endurance of a disk is a size, may be left out, and changes with a restart only', async (t) => {
  const rated = load(t, ', endurance: 300TB');
  t.equal(rated.spool.endurance, 300e12);
  t.equal(load(t, '').spool.endurance, undefined);
  t.throws(() => checkReload(rated, load(t, ', endurance: 600TB')), { code: 'LR_CONFIG_RESTART', message: /^spool: / });
});

t.test('S8: an endurance that is none is told with its key, its value and what was expected', async (t) => {
  for (const [value, shown] of [
    ['300', '300'],
    ['300TBW', '"300TBW"'],
    ['5GB', '"5GB"'],
    ['-1TB', '"-1TB"'],
  ]) {
    t.throws(() => load(t, `, endurance: ${value}`), {
      code: 'LR_CONFIG',
      message: new RegExp(`spool\\.endurance: .*${shown}.*terabytes written, such as 300TB`),
    });
  }
  t.throws(() => load(t, ', endurence: 300TB'), { code: 'LR_CONFIG', message: /did you mean .*endurance/ });
});
