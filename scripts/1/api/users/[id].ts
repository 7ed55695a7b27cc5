// @description One user by id: a route parameter, a status of our own
import { findUser } from "../../_lib/users.ts";

const user = findUser(metadata.parameters.id);
if (!user) return res.status(404).json({ error: `no user ${metadata.parameters.id}` });
return user;
