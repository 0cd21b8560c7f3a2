/** Where `longroof-agent` begins. What records has its spool's thread load beside all the rest, before a file is read. */
import { beginWith, startSpoolThread } from './spool/thread.js';

/** Not so for a question or a check, which need no spool. */
const [first, ...rest] = process.argv.slice(2);
const records = first === '--config' && rest.length === 1;
const thread = records ? beginWith(startSpoolThread()) : undefined;
const { runProgram } = await import('./program.js');
await runProgram(thread);
