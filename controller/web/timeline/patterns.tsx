/** Looks that differ in pattern, so that they differ for those who do not tell the colours apart. Stands once in the document. */
export function Patterns() {
  return (
    <svg width={0} height={0} className="patterns" aria-hidden="true">
      <defs>
        <pattern id="hatch-gap" width={6} height={6} patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <rect className="ground gap" width={6} height={6} />
          <rect className="stroke gap" width={2.5} height={6} />
        </pattern>
        <pattern id="hatch-spared" width={6} height={6} patternUnits="userSpaceOnUse">
          <rect className="ground spared" width={6} height={6} />
          <rect className="stroke spared" width={1.5} height={6} />
        </pattern>
        <pattern id="hatch-gone" width={6} height={6} patternUnits="userSpaceOnUse" patternTransform="rotate(-45)">
          <rect className="ground gone" width={6} height={6} />
          <rect className="stroke gone" width={2} height={6} />
        </pattern>
        <pattern id="dots" width={5} height={5} patternUnits="userSpaceOnUse">
          <rect className="ground unreported" width={5} height={5} />
          <circle className="stroke unreported" cx={2.5} cy={2.5} r={1} />
        </pattern>
        <pattern id="bands" width={4} height={4} patternUnits="userSpaceOnUse">
          <rect className="ground both" width={4} height={4} />
          <rect className="stroke both" width={4} height={1.2} />
        </pattern>
      </defs>
    </svg>
  );
}
