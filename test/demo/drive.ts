/**
 * Where a wagon of the demo is at an instant: it goes round a route through Isfahan, stops in Naqsh-e Jahan Square and stands
 * there as long as it drove. A pure function of time, so that a second start goes on where the first would be by now.
 */
export interface Place {
  latDeg: number;
  lonDeg: number;
  /** Over ground; 0 while parked. */
  speedMps: number;
  /** Clockwise from north, 0 to 360. */
  courseDeg: number;
  /** Driven since the start of time; never falls. */
  metres: number;
}

/** Corners of the route, latitude and longitude; the first is the stop, and the last leads back to it. */
const ROUTE: readonly (readonly [number, number])[] = [
  [32.65745, 51.67764],
  [32.65525, 51.67752],
  [32.65415, 51.67415],
  [32.65198, 51.67042],
  [32.64902, 51.66905],
  [32.64712, 51.66788],
  [32.64688, 51.67212],
  [32.64861, 51.67655],
  [32.65082, 51.67953],
  [32.65391, 51.68204],
  [32.65768, 51.68142],
  [32.66012, 51.67968],
];
const CRUISE_MPS = 9;
const ACCELERATION = 1.2;
const EARTH_RADIUS_M = 6_371_000;
const rad = (deg: number): number => (deg * Math.PI) / 180;

interface Leg {
  from: readonly [number, number];
  to: readonly [number, number];
  startM: number;
  metres: number;
  courseDeg: number;
}

/** Flat-earth lengths: right to a centimetre over a few hundred metres. */
function legsOf(route: readonly (readonly [number, number])[]): Leg[] {
  let startM = 0;
  return route.map((from, index) => {
    const to = route[(index + 1) % route.length]!;
    const north = rad(to[0] - from[0]) * EARTH_RADIUS_M;
    const east = rad(to[1] - from[1]) * EARTH_RADIUS_M * Math.cos(rad(from[0]));
    const leg = { from, to, startM, metres: Math.hypot(north, east), courseDeg: ((Math.atan2(east, north) * 180) / Math.PI + 360) % 360 };
    startM += leg.metres;
    return leg;
  });
}

const LEGS = legsOf(ROUTE);
const LAP_M = LEGS.reduce((sum, leg) => sum + leg.metres, 0);
const RAMP_S = CRUISE_MPS / ACCELERATION;
const RAMP_M = (CRUISE_MPS * RAMP_S) / 2;
const DRIVE_S = 2 * RAMP_S + (LAP_M - 2 * RAMP_M) / CRUISE_MPS;
/** One round: the drive and an equal stop. */
export const ROUND_S = 2 * DRIVE_S;

/** Metres and speed `s` seconds into a round: even acceleration, a steady cruise, even braking, rest. */
function progress(s: number): { metres: number; speedMps: number } {
  if (s >= DRIVE_S) return { metres: LAP_M, speedMps: 0 };
  if (s < RAMP_S) return { metres: (ACCELERATION * s * s) / 2, speedMps: ACCELERATION * s };
  const left = DRIVE_S - s;
  if (left < RAMP_S) return { metres: LAP_M - (ACCELERATION * left * left) / 2, speedMps: ACCELERATION * left };
  return { metres: RAMP_M + (s - RAMP_S) * CRUISE_MPS, speedMps: CRUISE_MPS };
}

/** `wagon` counts from 1; each is a part of a round behind the one before. */
export function placeAt(utcMs: number, wagon: number): Place {
  const s = utcMs / 1000 + (wagon - 1) * ROUND_S * 0.37;
  const rounds = Math.floor(s / ROUND_S);
  const { metres, speedMps } = progress(s - rounds * ROUND_S);
  const at = metres % LAP_M;
  const leg = LEGS.findLast((one) => one.startM <= at)!;
  const part = (at - leg.startM) / leg.metres;
  return {
    latDeg: leg.from[0] + (leg.to[0] - leg.from[0]) * part,
    lonDeg: leg.from[1] + (leg.to[1] - leg.from[1]) * part,
    speedMps,
    courseDeg: leg.courseDeg,
    metres: rounds * LAP_M + metres,
  };
}

function sentence(body: string): string {
  let sum = 0;
  for (let i = 0; i < body.length; i++) sum ^= body.charCodeAt(i);
  return `$${body}*${sum.toString(16).toUpperCase().padStart(2, '0')}\r\n`;
}

function angle(deg: number, digits: number, positive: string, negative: string): string {
  const whole = Math.floor(Math.abs(deg));
  const minutes = ((Math.abs(deg) - whole) * 60).toFixed(4).padStart(7, '0');
  return `${String(whole).padStart(digits, '0')}${minutes},${deg < 0 ? negative : positive}`;
}

/** What a receiver says of a fix: RMC, GGA and GSA (NMEA 0183, 4.10), for the whole second `utcMs`. */
export function nmea(utcMs: number, place: Place): string {
  const iso = new Date(utcMs).toISOString();
  const time = `${iso.slice(11, 19).replaceAll(':', '')}.00`;
  const date = `${iso.slice(8, 10)}${iso.slice(5, 7)}${iso.slice(2, 4)}`;
  const where = `${angle(place.latDeg, 2, 'N', 'S')},${angle(place.lonDeg, 3, 'E', 'W')}`;
  const knots = (place.speedMps * 1.943844).toFixed(2);
  return [
    sentence(`GPRMC,${time},A,${where},${knots},${place.courseDeg.toFixed(1)},${date},,,A`),
    sentence(`GPGGA,${time},${where},1,09,0.9,1575.0,M,0.0,M,,`),
    sentence('GPGSA,A,3,02,05,07,13,15,18,21,26,29,,,,1.6,0.9,1.3'),
  ].join('');
}
