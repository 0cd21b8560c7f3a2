#!/usr/bin/env -S MALLOC_MMAP_THRESHOLD_=131072 MALLOC_TRIM_THRESHOLD_=131072 node --max-old-space-size=128 --max-semi-space-size=1 --v8-pool-size=1
import '../dist/main.js';
