export {};
//# sourceMappingURL=fragment.js.map