/**
 * The library for `require`: the same module, with the same classes, as for `import`.
 *
 * node loads an ES module for `require` from 20.19 and 22.12 on. That happens in here, inside of the package, because node 20 warns a
 * program whose own files do it. The names are written out for tools that read them without running the file.
 */
"use strict";

const { openEngine, openVolume, SnapringError } = require("../dist/src/index.js");

module.exports = { openEngine, openVolume, SnapringError };
