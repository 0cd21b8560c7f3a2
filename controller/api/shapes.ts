/** What the HTTP API says. The shapes stand with the fleet, whose modules make them. */
export type * from '../fleet/shapes.js';
