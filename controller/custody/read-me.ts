/** The note that lies in every export, for whoever opens it without knowing what it is. */
export const READ_ME = `This file holds footage that a Longroof unit recorded, and what proves it.

footage/       the recordings, one MP4 for each camera; any player shows them
journal/       the unit's own records, each with the hash of the one before it; checkpoints are signed by the unit
proof/         what is needed to hash every fragment of the footage again, and where the unit's records name those hashes;
               the centre's signed answer to the request, and its signatures under the unit's checkpoints
certificates/  of the fleet's root, of the unit, and of the centre that made this file
manifest.json  what this file is, who exported it and why, and the SHA-256 of every other file in it
signature.json the centre's signature over the manifest

To check it:   longroof-verify THIS.zip --root ROOT.crt
ROOT.crt is the certificate of the fleet's root; get it from the fleet's operator, not from this file.
How the check works, so that you can have another program made for it: docs/verification.md of Longroof.
`;
