/** Stands in for every package that a project may not import: nothing is exported here, so the compiler refuses the import. */
export {};
