/** Stands here until the first program of this package does: README.md says which. */
export {};
