#!/usr/bin/env node
import '../dist/spool/fsck-main.js';
