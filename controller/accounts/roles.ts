/** Who may do what. A role is a fixed set of rights; a person has one role. */
export const ROLES = ['staff', 'manager'] as const;
export type Role = (typeof ROLES)[number];

export type Right =
  | 'fleet' // see units, what they recorded and what they did not
  | 'pulls' // see what was asked for, by whom and why
  | 'pull' // ask for footage
  | 'view' // look at footage
  | 'operate'; // see to alarms, change what units do

const RIGHTS: Readonly<Record<Role, ReadonlySet<Right>>> = {
  staff: new Set(['fleet', 'pulls', 'pull', 'view']),
  // A fleet manager keeps wagons recording; what they recorded is not his to look at.
  manager: new Set(['fleet', 'pulls', 'operate']),
};

export function isRole(value: unknown): value is Role {
  return (ROLES as readonly unknown[]).includes(value);
}

export function may(role: Role, right: Right): boolean {
  return RIGHTS[role].has(right);
}
