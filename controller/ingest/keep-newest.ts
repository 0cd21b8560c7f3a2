/** Maps that hold so much at most: what was put in first gives way. */
export function keepNewest<T>(map: Map<string, T>, name: string, value: T, max: number): void {
  map.delete(name);
  if (map.size >= max) map.delete(map.keys().next().value as string);
  map.set(name, value);
}
