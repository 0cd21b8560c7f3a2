/**
 * What the centre may change of a unit's configuration; everything else is the unit's own file, which these settings lie over. Read by
 * both sides: the centre asks for nothing that a unit would not understand, and a unit takes nothing that it does not.
 */
import { Fault } from '@longroof/base/errors';
import { isId } from '@longroof/base/ids';
import type { CameraConfig, UnitConfig } from './unit-config.js';

export interface UnitSettings {
  /** By the name that the unit's file gives a camera. */
  cameras: Record<string, CameraSettings>;
}

/** What is left out stays as the unit's file has it. */
export interface CameraSettings {
  /** False: it rests, and its time without footage is a gap with the cause `configuration`. */
  record?: boolean;
  audio?: boolean;
  engine?: 'auto' | 'own' | 'ffmpeg';
  /** After so long without a packet the camera is connected to anew. */
  stallMs?: number;
}

const CAMERAS_MAX = 16;
export const STALL_MS_MIN = 1000;
export const STALL_MS_MAX = 60_000;

const RULES: Readonly<Record<keyof CameraSettings, (value: unknown) => boolean>> = {
  record: (value) => typeof value === 'boolean',
  audio: (value) => typeof value === 'boolean',
  engine: (value) => value === 'auto' || value === 'own' || value === 'ffmpeg',
  stallMs: (value) => Number.isSafeInteger(value) && (value as number) >= STALL_MS_MIN && (value as number) <= STALL_MS_MAX,
};

/** Throws `invalid` (LR_SETTINGS_SHAPE) that names the member: also one that is not known here. */
export function readSettings(value: unknown): UnitSettings {
  const wrong = (member: string): Fault => new Fault('invalid', 'LR_SETTINGS_SHAPE', `settings: ${member} is wrong or not known here`);
  const whole = members(value);
  const cameras = members(whole?.['cameras']);
  if (!whole || !cameras || Object.keys(cameras).length > CAMERAS_MAX) throw wrong('cameras');
  for (const name of Object.keys(whole)) if (name !== 'cameras') throw wrong(name);
  for (const [id, one] of Object.entries(cameras)) {
    const settings = members(one);
    if (!isId(id) || !settings) throw wrong(`cameras.${id.slice(0, 32)}`);
    for (const [name, setting] of Object.entries(settings))
      if (!Object.hasOwn(RULES, name) || !RULES[name as keyof CameraSettings](setting)) throw wrong(`cameras.${id}.${name.slice(0, 32)}`);
  }
  return whole as unknown as UnitSettings;
}

function members(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
}

/** The file with the settings over it. Throws `invalid` (LR_SETTINGS_CAMERA) for a camera that the file does not have. */
export function withSettings(file: UnitConfig, { cameras }: UnitSettings): UnitConfig {
  const known = new Set(file.cameras.map((camera) => camera.id));
  const unknown = Object.keys(cameras).find((id) => !known.has(id));
  if (unknown !== undefined) throw new Fault('invalid', 'LR_SETTINGS_CAMERA', `settings: this unit has no camera ${unknown}`);
  const of = (camera: CameraConfig): CameraConfig => {
    const { audio, engine, stallMs } = cameras[camera.id] ?? {};
    const changed = { audio: audio ?? camera.audio, engine: engine ?? camera.engine, stall: stallMs ?? camera.stall };
    return { ...camera, ...changed };
  };
  return { ...file, cameras: file.cameras.filter((camera) => cameras[camera.id]?.record !== false).map(of) };
}
