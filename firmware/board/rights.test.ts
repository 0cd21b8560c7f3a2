/** What the board service may ask of the system: polkit's rule, as Debian's polkit (Duktape, ECMAScript 5) reads it. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { runInNewContext } from 'node:vm';
import t from 'tap';

const text = readFileSync(path.join(import.meta.dirname, '../../image/50-longroof-board.rules'), 'utf8');

type Rule = (action: { id: string }, subject: { user: string }) => string;

t.test('the board may power off and reboot, nobody else and nothing else by this rule', async (t) => {
  const rules: Rule[] = [];
  runInNewContext(text, { polkit: { addRule: (rule: Rule) => rules.push(rule), Result: { YES: 'yes', NOT_HANDLED: 'not handled' } } });
  t.equal(rules.length, 1);
  const ask = (user: string, id: string): string | undefined => rules[0]?.({ id: `org.freedesktop.${id}` }, { user });
  for (const id of ['power-off', 'power-off-multiple-sessions', 'reboot', 'reboot-multiple-sessions']) {
    t.equal(ask('longroof-board', `login1.${id}`), 'yes', id);
    t.equal(ask('longroof-agent', `login1.${id}`), 'not handled', `${id} of another`);
  }
  t.equal(ask('longroof-board', 'login1.suspend'), 'not handled');
  t.equal(ask('longroof-board', 'systemd1.manage-units'), 'not handled');
});

t.test('and it is written in ECMAScript 5', async (t) => {
  const code = text.replace(/^\s*\/\/.*$/gm, '');
  t.notMatch(code, /=>|\b(const|let|class)\b|`|\.includes\(/);
});
