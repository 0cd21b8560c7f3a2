/** Which causes of a gap the page has words for: all of the protocol's, and time that is not reported yet or whose reel is open. */
import type { GapCause } from '@longroof/protocol/gap';

export type KnownCause = GapCause | 'not-yet-reported' | 'being-recorded';
