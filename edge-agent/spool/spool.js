export {};
//# sourceMappingURL=spool.js.map