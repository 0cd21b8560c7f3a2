/** What a fault run tells while it runs and at its end. */
export interface Report {
  /** Keep the folders for a look. */
  keep: boolean;
  progress(text: string): void;
  figure(text: string): void;
}
