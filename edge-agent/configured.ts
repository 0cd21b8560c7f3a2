/** The unit's file with the centre's settings over it. */
import { readSettings, type UnitSettings, withSettings } from '@longroof/protocol/settings';
import { checkReload, type UnitConfig } from '@longroof/protocol/unit-config';

export class Configured {
  #file: UnitConfig;
  #settings: UnitSettings | undefined;
  #now: UnitConfig;

  constructor(file: UnitConfig) {
    this.#file = file;
    this.#now = file;
  }

  get now(): UnitConfig {
    return this.#now;
  }

  /** Throws LR_CONFIG_RESTART where more than cameras has changed. */
  changeFile(file: UnitConfig): void {
    checkReload(this.#file, file);
    this.#file = file;
    this.restore(this.#settings);
  }

  /** As they were taken on before: what names a camera that the file no longer has says nothing. */
  restore(settings: UnitSettings | undefined): void {
    this.#settings = settings;
    this.#now = this.#file;
    if (!settings) return;
    const known = new Set(this.#file.cameras.map((camera) => camera.id));
    const cameras = Object.fromEntries(Object.entries(settings.cameras).filter(([id]) => known.has(id)));
    this.#now = withSettings(this.#file, readSettings({ cameras }));
  }

  /** Throws LR_SETTINGS_CAMERA, and nothing has changed. */
  take(settings: UnitSettings): void {
    this.#now = withSettings(this.#file, settings);
    this.#settings = settings;
  }
}
