// A library: folders that start with `_` have no routes. Changing this file
// publishes again every script that imports it.

export interface User {
  id: string;
  name: string;
  role: Role;
}

export enum Role {
  Reader = "reader",
  Editor = "editor",
}

const users: User[] = [
  { id: "1", name: "Ada", role: Role.Editor },
  { id: "2", name: "Grace", role: Role.Reader },
];

export function findUser(id: string): User | undefined {
  return users.find((user) => user.id === id);
}
